import { describe, expect, test } from 'vitest'
import { judgeGroupLag, judgeGroupMembers, judgeGroupState } from '../../../src/doctor/group-judgements.ts'
import type { GroupFacts, PartitionProgress } from '../../../src/doctor/kafka-facts.ts'

const relay = (host = '/10.0.0.1') => ({ clientId: 'logout-relay', host })
const group = (state: string, ...members: GroupFacts['members']): GroupFacts => ({ state, members })

describe('the state of the group', () => {
  test.each([
    { facts: group('Stable', relay(), relay()), progress: true, is: 'ok', says: /stable, with 2 member/ },
    {
      facts: group('PreparingRebalance', relay()),
      progress: true,
      is: 'warning',
      says: /deals out its partitions/,
    },
    {
      facts: group('CompletingRebalance', relay()),
      progress: false,
      is: 'warning',
      says: /deals out its partitions/,
    },
    { facts: group('Empty'), progress: true, is: 'problem', says: /no relay reads the triggers/ },
    { facts: group('Empty'), progress: false, is: 'problem', says: /no relay reads the triggers/ },
    { facts: group('Dead'), progress: true, is: 'problem', says: /no relay reads the triggers/ },
    { facts: group('Dead'), progress: false, is: 'hint', says: /does not exist yet/ },
  ])('$facts.state with progress $progress: $is', ({ facts, progress, is, says }) => {
    const { status, found, mend } = judgeGroupState('g', facts, progress)
    expect(status).toBe(is)
    expect(found).toMatch(says)
    expect(mend === undefined).toBe(is === 'ok')
  })
})

describe('the members', () => {
  test.each([
    {
      facts: group('Stable', relay(), relay('/10.0.0.2')),
      is: 'ok',
      says: '2 for 2 partition(s): 10.0.0.1, 10.0.0.2',
    },
    { facts: group('Empty'), is: 'ok', says: 'none' },
    { facts: group('Stable', relay(), relay(), relay()), is: 'hint', says: '1 of them read nothing' },
    {
      facts: group('Stable', relay(), { clientId: 'audit', host: '/10.0.0.9' }),
      is: 'problem',
      says: 'client id audit',
    },
  ])('$is: $says', ({ facts, is, says }) => {
    const { status, found } = judgeGroupMembers(facts, 2)
    expect(status).toBe(is)
    expect(found).toContain(says)
  })
})

describe('the lag', () => {
  const at = (partition: number, overrides: Partial<PartitionProgress> = {}): PartitionProgress => ({
    topic: 't',
    partition,
    committed: 100,
    low: 0,
    high: 100,
    young: 100,
    ...overrides,
  })
  const lag = (...partitions: PartitionProgress[]) => judgeGroupLag('t', partitions, 3_600_000)

  test.each([
    { name: 'everything settled', of: [at(0), at(1)], is: 'ok', says: 't: 0 record(s) behind' },
    {
      name: 'young records ahead',
      of: [at(0, { high: 107, young: 100 }), at(1, { high: 102 })],
      is: 'ok',
      says: '9 record(s) behind, 7 of them in partition 0',
    },
    {
      name: 'a record from before the deadline',
      of: [at(0), at(1, { high: 120, young: 101 })],
      is: 'problem',
      says: '20 of them in partition 1, and in 1 partition(s) some are older than RETRY_DEADLINE_MS (1 hour)',
    },
    {
      name: 'records that were dropped unread',
      of: [at(0, { low: 130, high: 140, young: 135 })],
      is: 'problem',
      says: 'dropped 30 record(s)',
    },
    {
      name: 'a partition that was added later is read from its beginning',
      of: [at(0), at(1, { committed: undefined, low: 5, high: 9, young: 5 })],
      is: 'ok',
      says: '4 record(s) behind',
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
      says: '0 record(s) behind',
    },
  ])('$name: $is', ({ of, is, says }) => {
    const { status, found } = lag(...of)
    expect(found).toContain(says)
    expect(status).toBe(is)
  })
})
