import { describe, expect, test } from 'vitest'
import type { GroupFacts, PartitionProgress } from '../../../src/diagnosis/facts.ts'
import {
  checkGroupLag,
  checkGroupMembers,
  checkGroupState,
  checkIdentity,
  checkPositions,
  checkTransactions,
  relayClientId,
} from '../../../src/diagnosis/group.ts'

const relay = (host = '/10.0.0.1') => ({ clientId: 'logout-relay', host })
const group = (state: string, ...members: GroupFacts['members']): GroupFacts => ({ state, members })

describe('the state of the group', () => {
  test.each([
    { facts: group('Stable', relay(), relay()), progress: true, is: 'ok', says: /stable, with 2 member/ },
    {
      facts: group('PreparingRebalance', relay()),
      progress: true,
      is: 'warning',
      says: /Rebalance/,
    },
    {
      facts: group('CompletingRebalance', relay()),
      progress: false,
      is: 'warning',
      says: /Rebalance/,
    },
    { facts: group('Empty'), progress: true, is: 'error', says: /no relay reads the triggers/ },
    { facts: group('Empty'), progress: false, is: 'error', says: /no relay reads the triggers/ },
    { facts: group('Dead'), progress: true, is: 'error', says: /no relay reads the triggers/ },
    { facts: group('Dead'), progress: false, is: 'hint', says: /does not exist yet/ },
  ])('$facts.state with progress $progress: $is', ({ facts, progress, is, says }) => {
    const { severity, text, remedy } = checkGroupState('g', facts, progress)
    expect(severity).toBe(is)
    expect(text).toMatch(says)
    expect(remedy === undefined).toBe(is === 'ok')
  })
})

describe('the members', () => {
  test.each([
    {
      facts: group('Stable', relay(), relay('/10.0.0.2')),
      is: 'ok',
      says: '2 for 2 partitions: 10.0.0.1, 10.0.0.2',
    },
    { facts: group('Empty'), is: 'ok', says: 'none' },
    { facts: group('Stable', relay(), relay(), relay()), is: 'hint', says: '1 of them read nothing' },
    {
      facts: group('Stable', relay(), { clientId: 'audit', host: '/10.0.0.9' }),
      is: 'error',
      says: 'client id audit',
    },
  ])('$is: $says', ({ facts, is, says }) => {
    const { severity, text } = checkGroupMembers(facts, 2)
    expect(severity).toBe(is)
    expect(text).toContain(says)
  })
})

test('relays in both modes in one group: what the shadows read is told to nobody', () => {
  const shadow = { clientId: relayClientId('shadow'), host: '/10.0.0.2' }
  expect(checkGroupMembers(group('Stable', relay(), shadow), 3)).toMatchObject({ severity: 'warning' })
  expect(checkGroupMembers(group('Stable', shadow, shadow), 3)).toMatchObject({ severity: 'ok' })
})

describe('the lag', () => {
  const at = (partition: number, overrides: Partial<PartitionProgress> = {}): PartitionProgress => ({
    topic: 't',
    partition,
    committed: 100,
    low: 0,
    high: 100,
    young: 100,
    readable: overrides.high ?? 100,
    isOfOther: false,
    ...overrides,
  })
  const lag = (...partitions: PartitionProgress[]) => checkGroupLag('t', partitions, 3_600_000)

  test.each([
    { name: 'everything settled', of: [at(0), at(1)], is: 'ok', says: 't: 0 records behind' },
    {
      name: 'young records ahead',
      of: [at(0, { high: 107, young: 100 }), at(1, { high: 102 })],
      is: 'ok',
      says: '9 records behind, 7 of them in partition 0',
    },
    {
      name: 'a record from before the deadline',
      of: [at(0), at(1, { high: 120, young: 101 })],
      is: 'error',
      says: 'in 1 partition some are older than LATE_AFTER_MS (1 hour)',
    },
    {
      name: 'a partition that was added later is read from its beginning',
      of: [at(0), at(1, { committed: undefined, low: 5, high: 9, young: 5 })],
      is: 'ok',
      says: '4 records behind',
    },
    {
      name: 'a group that is new',
      of: [at(0, { committed: undefined })],
      is: 'ok',
      says: 'KAFKA_START_FROM',
    },
    {
      name: 'an empty topic',
      of: [at(0, { committed: 0, high: 0, young: 0 })],
      is: 'ok',
      says: '0 records behind',
    },
  ])('$name: $is', ({ of, is, says }) => {
    const { severity, text } = lag(...of)
    expect(text).toContain(says)
    expect(severity).toBe(is)
  })

  test.each([
    { name: 'everything there', of: at(0, { low: 90 }), is: 'ok' },
    { name: 'nothing committed', of: at(0, { committed: undefined, low: 130, high: 140 }), is: 'ok' },
    { name: 'records that were dropped unread', of: at(0, { low: 130, high: 140 }), is: 'error' },
    { name: 'a log that has become shorter', of: at(0, { high: 40 }), is: 'error' },
    { name: 'another topic', of: at(0, { high: 40, isOfOther: true }), is: 'ok' },
  ])('of a position is checked by what the log holds: $name', ({ of, is }) => {
    expect(checkPositions('t', [at(1), of]).severity).toBe(is)
  })

  test('in another topic of the same name is told', () => {
    expect(checkIdentity('t', [at(0), at(1)]).severity).toBe('ok')
    expect(checkIdentity('t', [at(0), at(1, { isOfOther: true })]).severity).toBe('warning')
  })

  test('behind an open transaction is an error when that lasts', () => {
    const nowMs = 1_000_000
    const hidden = (forMs: number) => at(1, { high: 105, readable: 103, hiddenSinceMs: nowMs - forMs })
    expect(checkTransactions('t', [at(0), at(1, { high: 105 })], nowMs).severity).toBe('ok')
    expect(checkTransactions('t', [at(0), hidden(9_999)], nowMs).severity).toBe('ok')
    const { severity, text, remedy } = checkTransactions('t', [at(0), hidden(10_000)], nowMs)
    expect(severity).toBe('error')
    expect(text).toContain('2 records')
    expect(remedy).toContain('--start-offset 103')
  })
})
