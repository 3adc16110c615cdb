import { expect, test } from 'vitest'
import { lookAt } from '../../../src/diagnosis/check.ts'
import { isTrouble } from '../../../src/diagnosis/finding.ts'
import { logChecks } from '../../../src/diagnosis/log-edges.ts'
import { nearestType } from '../../../src/diagnosis/nearest-type.ts'
import { TypeNotes } from '../../../src/diagnosis/type-notes.ts'
import { knownTypes } from '../../../src/events/decoding/known-types.ts'
import { manualClock } from '../manual-clock.ts'

const DAY_MS = 24 * 60 * 60_000

test.each([
  ['session.terminated', 'session-terminated'],
  ['SESSION_TERMINATED', 'session-terminated'],
  ['SessionTerminated', 'session-terminated'],
  ['session-terminate', 'session-terminated'],
  ['sesion-terminatd', 'session-terminated'],
  ['com.example.idp.session-terminated', 'session-terminated'],
  ['com.example.sessionTerminated', 'session-terminated'],
  ['sessionterminated', 'session-terminated'],
  ['user/signed/out', 'user-signed-out'],
  ['user-sign-out', 'user-signed-out'],
  ['usersignedout', 'user-signed-out'],
  ['backchannel-logout-register', 'backchannel-logout-registered'],
  ['user-signed-in', undefined],
  ['user-signed-up', undefined],
  ['usersignedup', undefined],
  ['session-created', undefined],
  ['session-initiated', undefined],
  ['terminated', undefined],
  ['order-placed', undefined],
  ['', undefined],
  ['-', undefined],
])('%s: %s', (type, nearest) => {
  expect(nearestType(type, knownTypes)).toBe(nearest)
})

function notesFixture() {
  const clock = manualClock()
  let news = 0
  const notes = new TypeNotes({ clock, knownTypes, onNews: () => news++ })
  const edges = { passed: [], open: [], refused: [], disbelieved: [] }
  const found = async () => {
    const all = await lookAt(logChecks, () => ({ ...edges, unknownTypes: notes.read() })).make()
    return all.filter(isTrouble)
  }
  let offset = 0
  const note = (...types: string[]) => {
    for (const type of types) notes.note(type, { topic: 't', partition: 2, offset: offset++ })
  }
  return { clock, found, news: () => news, note }
}

test('a type is told once, with the last position; one that looks like a known type as a warning with that', async () => {
  const { found, news, note } = notesFixture()
  note('order-placed', 'session.terminated', 'order-placed')
  expect(news()).toBe(2)
  const told = await found()
  expect(told).toMatchObject([
    { check: 'record-type', severity: 'hint', about: 'order-placed', text: expect.stringContaining('t/2/2') },
    {
      ...{ check: 'record-type', severity: 'warning', about: 'session.terminated' },
      text: expect.stringMatching(/session\.terminated.*t\/2\/1.*session-terminated/),
      remedy: expect.stringContaining('session-terminated'),
    },
  ])
})

test('there are only so many; the rest is counted, and none hides one that looks like a known type', async () => {
  const { found, news, note } = notesFixture()
  for (let i = 0; i < 5_000; i++) note(`made-up-${i}`)
  expect(await found()).toHaveLength(21)
  expect(news()).toBe(20)
  const few = notesFixture()
  for (let i = 0; i < 30; i++) few.note(`made-up-${i}`)
  few.note('session.terminated')
  const told = await few.found()
  expect(told.filter(({ severity }) => severity === 'warning')).toHaveLength(1)
  expect(told.at(-1)?.text).toMatch(/^10 record/)
})

test('what came no more for a day is not told any more', async () => {
  const { clock, found, note } = notesFixture()
  note('a-type')
  expect(await found()).toHaveLength(1)
  clock.nowMs += DAY_MS
  note('a-type')
  expect(await found()).toHaveLength(1)
  clock.nowMs += DAY_MS
  expect(await found()).toHaveLength(1)
  clock.nowMs += 1
  expect(await found()).toEqual([])
})
