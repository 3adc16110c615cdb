import { describe, expect, test } from 'vitest'
import { type Area, type CheckName, checksOf } from '../../../src/diagnosis/check-names.ts'
import {
  conclusionOf,
  Examination,
  type ExaminedFinding,
  summaryOf,
} from '../../../src/diagnosis/examination.ts'
import { ok, type Severity } from '../../../src/diagnosis/finding.ts'

test('what was not looked at is unknown, every check of the area, and only that', () => {
  const notes = new Examination('redis')
  notes.note('redis-tls', ok('x'))
  notes.noteUnknown('Redis could not be reached')
  expect(notes.all.map(({ check }) => check).sort()).toEqual([...checksOf('redis')].sort())
  expect(notes.all.filter(({ severity }) => severity === 'ok')).toHaveLength(1)
})

test('a look that fails is an error of the checks that it leaves open, and does not end the others', async () => {
  const notes = new Examination('kafka')
  notes.note('group-state', ok('x', 'g'))
  await notes.make({
    checks: ['group-state', 'group-lag'],
    make: () => Promise.reject(new Error('the coordinator is away')),
  })
  await notes.make({ checks: ['outcome-topic'], make: async () => [{ check: 'outcome-topic', ...ok('y') }] })
  expect(notes.all).toEqual([
    { area: 'kafka', check: 'outcome-topic', severity: 'ok', text: 'y' },
    { area: 'kafka', check: 'group-state', severity: 'ok', about: 'g', text: 'x' },
    {
      area: 'kafka',
      check: 'group-lag',
      severity: 'error',
      text: expect.stringContaining('the coordinator is away'),
      remedy: 'fix the other errors first, then run logout-relay doctor again',
    },
  ])
})

const seen = (
  severity: Severity,
  check: CheckName = 'rp-answer',
  area: Area = 'relying-party',
): ExaminedFinding => ({
  area,
  check,
  severity,
  text: '',
})

describe('a run comes to', () => {
  const configuration = seen('error', 'configuration', 'configuration')
  const kafkaAway = seen('error', 'kafka-reachable', 'kafka')
  const redisAway = seen('error', 'redis-reachable', 'redis')
  test.each([
    { name: 'nothing but what is well', of: [seen('ok')], is: 'well' },
    {
      name: 'hints, warnings and what is not known',
      of: [seen('hint'), seen('warning'), seen('unknown')],
      is: 'well',
    },
    { name: 'an error', of: [seen('ok'), seen('error')], is: 'error' },
    { name: 'Kafka away', of: [seen('error'), kafkaAway], is: 'unreachable' },
    { name: 'Redis away', of: [redisAway, seen('error')], is: 'unreachable' },
    {
      name: 'a wrong configuration, which is to be remedied first',
      of: [redisAway, configuration],
      is: 'misconfigured',
    },
  ])('$is with $name', ({ of, is }) => {
    expect(conclusionOf(of)).toBe(is)
  })
})

test('the summary counts what there is', () => {
  const all = [seen('ok'), seen('ok'), seen('warning'), seen('error'), seen('error'), seen('unknown')]
  expect(summaryOf(all)).toBe('2 ok, 1 warning, 2 errors, 1 unknown')
  expect(summaryOf([])).toBe('')
})
