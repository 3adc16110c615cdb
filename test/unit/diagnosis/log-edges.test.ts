import { expect, test } from 'vitest'
import { lookAt } from '../../../src/diagnosis/check.ts'
import { EdgeNotes } from '../../../src/diagnosis/edge-notes.ts'
import { isTrouble } from '../../../src/diagnosis/finding.ts'
import { logChecks } from '../../../src/diagnosis/log-edges.ts'
import type { PassedPosition } from '../../../src/intake/log-edges.ts'
import { manualClock } from '../manual-clock.ts'

const DAY_MS = 24 * 60 * 60_000
const passed = (overrides: Partial<PassedPosition> = {}): PassedPosition => ({
  topic: 't',
  partition: 0,
  why: 'retention',
  wanted: 5,
  position: 12,
  ...overrides,
})

async function checkLog(notes: EdgeNotes) {
  const facts = () => ({ ...notes.read(), unknownTypes: { types: [], further: 0 } })
  return (await lookAt(logChecks, facts).make()).filter(isTrouble)
}

function notesFixture() {
  const clock = manualClock(1_000_000)
  let news = 0
  const notes = new EdgeNotes({ clock, onNews: () => news++, onPassed: () => undefined })
  return { clock, notes, news: () => news }
}

test('what retention has taken is told by topic with its sum, offsets and times, for a day', async () => {
  const { clock, notes, news } = notesFixture()
  expect(await checkLog(notes)).toEqual([])
  notes.positionPassed(passed({ lastMs: 0, earliestMs: 1_000 }))
  notes.positionPassed(passed({ partition: 1, wanted: 0, position: 3, earliestMs: Number.MAX_VALUE }))
  expect(news()).toBe(2)
  const [finding, ...more] = await checkLog(notes)
  expect(more).toEqual([])
  expect(finding).toMatchObject({ check: 'positions-passed', about: 't', severity: 'warning' })
  for (const text of [
    '10 unread records',
    '5 to 11',
    '1970-01-01T00:00:00.000Z',
    '1970-01-01T00:00:01.000Z',
  ]) {
    expect(finding?.text).toContain(text)
  }
  clock.nowMs += DAY_MS
  expect(await checkLog(notes)).toEqual([])
})

test('a topic that was created anew is another finding than one that has become shorter', async () => {
  const { notes } = notesFixture()
  notes.positionPassed(passed({ why: 'recreated', wanted: 40, position: 0 }))
  notes.positionPassed(passed({ why: 'shortened', wanted: 40, position: 0, topic: 'u' }))
  expect((await checkLog(notes)).map(({ check }) => check)).toEqual(['positions-passed', 'topic-recreated'])
})

test('an open transaction is told while it is open', async () => {
  const { notes, news } = notesFixture()
  const open = { topic: 't', partition: 3, from: 7, records: 2, sinceMs: 0 }
  notes.openTransactions([open])
  notes.openTransactions([{ ...open, records: 4 }])
  expect(news()).toBe(1)
  const [finding] = await checkLog(notes)
  expect(finding).toMatchObject({ check: 'open-transaction', about: 't/3' })
  expect(finding?.text).toContain('4 records')
  expect(finding?.remedy).toContain('--start-offset 7')
  notes.openTransactions([])
  expect(news()).toBe(2)
  expect(await checkLog(notes)).toEqual([])
})
