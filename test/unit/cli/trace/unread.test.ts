import { expect, test } from 'vitest'
import type { Entry } from '../../../../src/cli/trace/entry.ts'
import { summarize } from '../../../../src/cli/trace/summary.ts'
import { markUnread, type ReadUpTo } from '../../../../src/cli/trace/unread.ts'

const at = (offset: number) => ({ atMs: 0, topic: 't', partition: 0, offset, text: '' })
const names = { sessionId: 's', oidcSessionId: 'o', clientId: 'shop', userId: 'u' }
const registered = { ...at(10), ...names, kind: 'registered' } as const satisfies Entry
const trigger = { ...at(12), kind: 'trigger', sessionId: 's', triggerId: 'x' } as const satisfies Entry
const alive = { atMs: 0, ...names, kind: 'alive', text: '' } as const satisfies Entry
const readTo = (position: number | undefined): ReadUpTo[] => [{ topic: 't', partition: 0, position, end: 15 }]

/** How it is summed up, with the kinds of its records. */
function seen(records: Entry[], held: Entry[], position: number | undefined) {
  const marked = markUnread(records, held, readTo(position))
  const { text, isSettled } = summarize([...marked, ...held], 0)
  return { kinds: marked.map(({ kind }) => kind), text, isSettled }
}

test('what no relay has read yet is not lost: where it stands, and how far the relays are', () => {
  const { kinds, text, isSettled } = seen([registered, trigger], [], 10)
  expect(kinds).toEqual(['unread', 'unread'])
  expect(text).toBe(
    '1 RP: 1 not read by any relay yet; 2 records are not read yet, the last one in t/0: position 10, record at 12, lag 5',
  )
  expect(isSettled).toBe(false)
})

test('a login that was read, and its end that was not: it is owed, and nobody has read that yet', () => {
  const { kinds, text } = seen([registered, trigger], [alive], 11)
  expect(kinds).toEqual(['registered', 'unread'])
  expect(text).toBe(
    '1 RP: 1 owed (no relay has read its end yet); 1 record is not read yet in t/0: position 11, record at 12, lag 4',
  )
})

test('a partition that nobody has read', () => {
  expect(seen([trigger], [], undefined).text).toContain(
    'no relay has read this partition, record at 12, lag 15',
  )
})

test('what Redis or an outcome shows to be taken up was read, wherever the position stands', () => {
  const ended: Entry = { atMs: 0, kind: 'ended', sessionId: 's', triggerId: 'x', text: '' }
  expect(seen([registered, trigger], [alive, ended], 10).kinds).toEqual(['registered', 'trigger'])
  const sent: Entry = { ...at(14), ...names, kind: 'sent', triggerId: 'x', attempts: 1 }
  const told = seen([registered, trigger, sent], [], 10)
  expect(told).toMatchObject({ kinds: ['registered', 'trigger', 'sent'], isSettled: true })
})

test('records of topics that relays do not read, and of what they have read, are as they were', () => {
  const elsewhere: Entry = { ...trigger, topic: 'other' }
  expect(markUnread([elsewhere, trigger], [], readTo(13))).toEqual([elsewhere, trigger])
})
