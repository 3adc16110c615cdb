import { describe, expect, test } from 'vitest'
import type { Entry } from '../../../../src/cli/trace/entry.ts'
import { summarize } from '../../../../src/cli/trace/summary.ts'

const NOW = 1_000_000
type Kind = Entry['kind']

function entry(kind: Kind, oidcSessionId?: string, more: Partial<Entry> = {}): Entry {
  const names = oidcSessionId === undefined ? {} : { oidcSessionId, clientId: `client-${oidcSessionId}` }
  return { atMs: 0, kind, sessionId: 's', userId: 'u', text: '', ...names, ...more }
}
const trigger = entry('trigger')
const textOf = (...entries: Entry[]) => summarize(entries, NOW)

describe('summary of a timeline', () => {
  test('two were told, one is parked', () => {
    const { text, isSettled } = textOf(
      ...['a', 'b', 'c'].map((it) => entry('registered', it)),
      trigger,
      entry('sent', 'a'),
      entry('sent', 'b'),
      entry('owed', 'c', { dueMs: NOW + 3_200 }),
    )
    expect(text).toBe('3 RPs: 2 sent, 1 owed (parked, next attempt in 4 seconds)')
    expect(isSettled).toBe(false)
  })

  test.each<[string, Entry[], string, boolean]>([
    ['all told', [entry('sent', 'a')], '1 RP: 1 sent', true],
    ['told twice', [entry('sent', 'a'), entry('sent', 'a')], '1 RP: 1 sent', true],
    [
      'told and failed',
      [entry('failed', 'a', { reason: 'expired' }), entry('sent', 'a')],
      '1 RP: 1 sent',
      true,
    ],
    ['failed', [entry('failed', 'a', { reason: 'expired' })], '1 RP: 1 failed (expired)', false],
    [
      'alive',
      [entry('registered', 'a'), entry('alive', 'a')],
      '1 RP: 1 registered, no logout requested',
      false,
    ],
    ['held', [entry('owed', 'a', { isHeld: true, dueMs: NOW })], '1 RP: 1 owed (held by a relay)', false],
    ['due', [entry('owed', 'a', { dueMs: NOW })], '1 RP: 1 owed (parked, next attempt due now)', false],
    [
      'told, and not published',
      [entry('sent', 'b'), entry('owed', 'a', { isDecided: true, isHeld: true, dueMs: NOW })],
      '2 RPs: 1 sent, 1 owed (Kafka has not acknowledged the outcome yet)',
      false,
    ],
    [
      'told, and another one parked',
      [entry('owed', 'a', { isDecided: true, dueMs: NOW }), entry('owed', 'b', { dueMs: NOW + 9_000 })],
      '2 RPs: 2 owed (parked, next attempt in 9 seconds)',
      false,
    ],
    ['in no list', [entry('owed', 'a')], '1 RP: 1 owed (no relay has parked or settled it yet)', false],
    ['lost', [entry('registered', 'a')], '1 RP: 1 without an outcome, and not in Redis', false],
    [
      'two logins at one RP',
      [entry('sent', 'a', { clientId: 'x' }), entry('sent', 'b', { clientId: 'x' })],
      '2 registrations at 1 RP: 2 sent',
      true,
    ],
    [
      'told, and another one alive',
      [entry('sent', 'a'), entry('registered', 'b'), entry('alive', 'b')],
      '2 RPs: 1 sent, 1 registered, no logout requested',
      false,
    ],
    [
      'known by a trigger alone, whatever was before it',
      [trigger, entry('ended')],
      'no registration of an RP in this time, nor in Redis',
      false,
    ],
    [
      'told, beside what no relay has read yet or can read',
      [entry('sent', 'a'), entry('waiting', 'b'), entry('unknown-type')],
      '1 RP: 1 sent',
      true,
    ],
  ])('%s', (_, entries, text, isSettled) => {
    expect(summarize(entries, NOW)).toMatchObject({ text, isSettled })
  })

  test('a trigger that no tombstone tells of any more makes a registration owed', () => {
    expect(textOf(entry('registered', 'a'), trigger, entry('alive', 'a'))).toMatchObject({
      owed: 1,
      alive: 0,
    })
  })

  test('a sign-out everywhere means the logins before it, not those after it', () => {
    const { sessionId: _, ...signOut } = entry('trigger', undefined, { atMs: 10_000 })
    const login = (atMs: number) => textOf(entry('registered', 'a', { atMs }), signOut, entry('alive', 'a'))
    expect(login(9_000)).toMatchObject({ owed: 1, alive: 0 })
    expect(login(16_000)).toMatchObject({ owed: 0, alive: 1 })
  })
})

test('of a login again with the ids of a session that was ended, nothing is owed', () => {
  const again = [
    entry('registered', 'a'),
    trigger,
    entry('sent', 'a'),
    entry('registered', 'a', { atMs: NOW - 1_000 }),
  ]
  expect(textOf(...again, entry('alive', 'a')).text).toBe('1 RP: 1 registered, no logout requested')
})
