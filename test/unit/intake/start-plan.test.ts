import { expect, test } from 'vitest'
import { planStart, type StartFacts } from '../../../src/intake/start-plan.ts'

const here = { topic: 't', partition: 0 }
const none: StartFacts = {
  bounds: [{ ...here, from: 10, to: 100 }],
  committed: [],
  applied: [],
  topicIds: new Map([['t', 'id']]),
  startFrom: 'latest',
}
const plan = (facts: Partial<StartFacts>) => planStart({ ...none, ...facts })[0]
const committed = (offset: number, note = {}) => [{ ...here, offset, ...note }]
const applied = (offset: number, topicId = 'id') => [{ ...here, offset, start: 5, topicId }]
const ours = { start: 5, topicId: 'id' }

test.each([
  ['a topic that the group has never read, from the latest', {}, { kind: 'first', offset: 100, start: 100 }],
  [
    'the latest that can be read behind an open transaction: what it hides was there before the group',
    { bounds: [{ ...here, from: 10, to: 100, end: 120 }] },
    { kind: 'first', offset: 100, start: 120, end: 100 },
  ],
  [
    'a topic that has appeared while the group followed a pattern of its name: its first record is why it exists',
    { isFollowed: (topic: string) => topic === 't', patternOf: (): string => 't*' },
    { kind: 'added', offset: 10, start: 10, pattern: 't*' },
  ],
  [
    'a topic of a pattern that the group has not followed before',
    { isFollowed: () => false, patternOf: (): string => 't*' },
    { kind: 'first', offset: 100, start: 100, pattern: 't*' },
  ],
  [
    'a topic that was there when the group began to follow its pattern, and of which nothing is read yet',
    {
      applied: [{ ...here, offset: 10, start: 60, topicId: 'id' }],
      isFollowed: () => true,
    },
    { kind: 'noted', offset: 10, start: 60 },
  ],
  ['from the earliest', { startFrom: 'earliest' as const }, { kind: 'first', offset: 10, start: 10 }],
  [
    'what the group has committed; a store without a position lacks it',
    { committed: committed(50, ours) },
    { kind: 'known', offset: 50, start: 5, isUnapplied: true, isSetByOthers: false },
  ],
  [
    'the store’s position where both are the relay’s: that is what it holds',
    { committed: committed(50, ours), applied: applied(40) },
    { kind: 'known', offset: 40, start: 5, appliedFrom: 40, committed: 50 },
  ],
  [
    'a group that has worked with another store than this one, although no position tells',
    { committed: committed(40, { ...ours, epoch: 'other' }), applied: applied(40), epoch: 'this' },
    { kind: 'known', offset: 40, isBehind: false, isElsewhere: true },
  ],
  [
    'a group that has worked with this store, or has not noted with which',
    { committed: committed(40, ours), applied: applied(40), epoch: 'this' },
    { kind: 'known', offset: 40, isElsewhere: false },
  ],
  [
    'a start that was noted, of which nothing is read yet',
    {
      committed: committed(10, { start: 60, topicId: 'id' }),
      applied: [{ ...here, offset: 10, start: 60, topicId: 'id' }],
    },
    { kind: 'noted', offset: 10, start: 60, appliedFrom: 10 },
  ],
  [
    'the same when Redis was emptied since',
    { committed: committed(10, { start: 60, topicId: 'id' }) },
    { kind: 'noted', offset: 10, start: 60 },
  ],
  [
    'not a start that the group has passed, when an old copy of the store knows the note only',
    {
      committed: committed(70, { start: 60, topicId: 'id' }),
      applied: [{ ...here, offset: 10, start: 60, topicId: 'id' }],
    },
    { kind: 'known', offset: 10, start: 60, committed: 70 },
  ],
  [
    'in shadow mode all that is settled, as before the start',
    { committed: committed(50, ours), applied: applied(50), doesStartMove: true },
    { kind: 'known', offset: 50, start: 50 },
  ],
  [
    'what Redis knows to be settled, where a shadow has committed more: some of that may be parked, and is not over',
    {
      committed: committed(50, { start: 50, topicId: 'id' }),
      applied: [{ ...here, offset: 40, start: 40, topicId: 'id' }],
      doesStartMove: true,
    },
    { kind: 'known', offset: 40, start: 50, silentBefore: 40 },
  ],
  [
    'and not behind a start that was noted and not reached',
    { committed: committed(10, { start: 60, topicId: 'id' }), doesStartMove: true },
    { kind: 'noted', offset: 10, start: 60 },
  ],
  [
    'in live mode after that: a store that has fallen back does not bring the start back',
    { committed: committed(50, { start: 50, topicId: 'id' }), applied: applied(40) },
    { kind: 'known', offset: 40, start: 50, silentBefore: 50 },
  ],
  [
    'what an operator has set, forward',
    { committed: committed(90), applied: applied(40) },
    { kind: 'known', offset: 90, start: 5, isUnapplied: false, isSetByOthers: true },
  ],
  ['and back', { committed: committed(20), applied: applied(40) }, { kind: 'known', offset: 20 }],
  [
    'the store’s, when the broker has forgotten the group',
    { applied: applied(40) },
    { kind: 'known', offset: 40, start: 5, committed: undefined },
  ],
  [
    'the beginning, when the topic was created anew, though it is longer than the position',
    { committed: committed(50, { ...ours, topicId: 'old' }), applied: applied(40, 'old') },
    { kind: 'added', offset: 10, start: 10, appliedFrom: 10, committed: undefined },
  ],
  [
    'a position, where the cluster tells no ids',
    { committed: committed(50, { ...ours, topicId: 'old' }), topicIds: new Map() },
    { kind: 'known', offset: 50 },
  ],
  [
    'the beginning of a partition that was added to a known topic',
    { committed: [{ topic: 't', partition: 1, offset: 3, ...ours }] },
    { kind: 'added', offset: 10, start: 10 },
  ],
])('a partition begins at %s', (_, facts, expected) => {
  expect(plan(facts)).toMatchObject(expected)
})

test('what the store lacks begins no earlier than the log', () => {
  expect(plan({ committed: committed(50, ours), applied: applied(3) })?.appliedFrom).toBe(10)
})
