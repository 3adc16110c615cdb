import { expect, test } from 'vitest'
import { checksOf } from '../../../src/diagnosis/doctor-checks.ts'
import { ok } from '../../../src/diagnosis/judgement.ts'
import { Observations } from '../../../src/diagnosis/observation.ts'

test('what was not looked at is unknown, every check of the area, and only that', () => {
  const notes = new Observations('redis')
  notes.note('redis-tls', ok('x'))
  notes.noteUnknown('Redis could not be reached')
  expect(notes.all.map(({ check }) => check).sort()).toEqual([...checksOf('redis')].sort())
  expect(notes.all.filter(({ status }) => status === 'ok')).toHaveLength(1)
})

test('a look that fails is a problem of the checks that it leaves open, and does not end the others', async () => {
  const notes = new Observations('kafka')
  await notes.look(['group-state', 'group-lag'], async () => {
    notes.note('group-state', ok('x'))
    throw new Error('the coordinator is away')
  })
  expect(notes.all).toEqual([
    { area: 'kafka', check: 'group-state', status: 'ok', found: 'x' },
    {
      area: 'kafka',
      check: 'group-lag',
      status: 'problem',
      found: 'it could not be looked up: the coordinator is away',
      mend: 'see to the other problems first, then run the doctor again',
    },
  ])
})

test('a finding of the service keeps its words', () => {
  const notes = new Observations('redis')
  const texts = { message: 'm', mend: 'do' }
  notes.noteFinding({ check: 'redis-writable', about: 'OOM', severity: 'error', ...texts })
  notes.noteFinding({ check: 'redis-eviction', severity: 'warning', ...texts })
  notes.noteFinding({ check: 'redis-persistence', severity: 'hint', ...texts })
  expect(notes.all.map(({ status, found, mend, about }) => [status, found, mend, about])).toEqual([
    ['problem', 'm', 'do', 'OOM'],
    ['warning', 'm', 'do', undefined],
    ['hint', 'm', 'do', undefined],
  ])
})
