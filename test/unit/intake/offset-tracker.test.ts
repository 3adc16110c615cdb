import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { OffsetTracker, type OpenRecord } from '../../../src/intake/offset-tracker.ts'

/** One entry per offset of a log: a record with so many deliveries, a skipped record, or a gap. */
type LogEntry = { kind: 'record'; owes: number } | { kind: 'skipped' } | { kind: 'hole' }

const logEntry: fc.Arbitrary<LogEntry> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('record' as const), owes: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.constant<LogEntry>({ kind: 'skipped' }) },
  { weight: 1, arbitrary: fc.constant<LogEntry>({ kind: 'hole' }) },
)

interface Settling {
  readonly offset: number
  readonly record: OpenRecord
}

/**
 * Plays a log into a tracker. Every record needs an acknowledgement per delivery and one for itself. `choose` picks the
 * outstanding ones that happen between two steps of reading.
 */
function play(
  start: number,
  log: readonly LogEntry[],
  choose: (outstanding: number) => number | undefined,
  check: (tracker: OffsetTracker, left: readonly Settling[], readUntil: number) => void,
): { tracker: OffsetTracker; advances: number[] } {
  const advances: number[] = []
  const tracker: OffsetTracker = new OffsetTracker(start, () => advances.push(tracker.committable))
  const left: Settling[] = []
  const settleSome = (readUntil: number): void => {
    for (let index = choose(left.length); index !== undefined; index = choose(left.length)) {
      const [settling] = left.splice(index, 1)
      settling?.record.acknowledge()
      check(tracker, left, readUntil)
    }
  }
  for (const [i, entry] of log.entries()) {
    const offset = start + i
    if (entry.kind === 'skipped') tracker.skipTo(offset + 1)
    if (entry.kind === 'record') {
      const record = tracker.begin(offset)
      for (let n = 0; n < entry.owes; n++) record.owe()
      for (let n = 0; n <= entry.owes; n++) left.push({ offset, record })
    }
    check(tracker, left, offset + 1)
    settleSome(offset + 1)
  }
  // A batch says where the next one starts. The log may end with a gap.
  tracker.skipTo(start + log.length)
  for (const { record } of left.splice(0).reverse()) record.acknowledge()
  return { tracker, advances }
}

const plays = fc.record({
  start: fc.nat(1_000),
  log: fc.array(logEntry, { maxLength: 40 }),
  choices: fc.infiniteStream(fc.nat(1_000)),
})

function chooser(choices: Iterator<number>): (outstanding: number) => number | undefined {
  return (outstanding) => {
    const choice = choices.next().value as number
    return outstanding === 0 || choice % 3 === 0 ? undefined : choice % outstanding
  }
}

describe('offset tracker', () => {
  test('never commits past a record that is not settled, whatever the order', () => {
    fc.assert(
      fc.property(plays, ({ start, log, choices }) => {
        play(start, log, chooser(choices[Symbol.iterator]()), (tracker, left, readUntil) => {
          const firstOpen = Math.min(readUntil, ...left.map(({ offset }) => offset))
          expect(tracker.committable).toBeLessThanOrEqual(firstOpen)
        })
      }),
    )
  })

  test('ends at the end of what was read, with nothing open', () => {
    fc.assert(
      fc.property(plays, ({ start, log, choices }) => {
        const { tracker } = play(start, log, chooser(choices[Symbol.iterator]()), () => undefined)
        expect(tracker.committable).toBe(start + log.length)
        expect(tracker.next).toBe(start + log.length)
        expect(tracker.openRecords).toBe(0)
      }),
    )
  })

  test('does not stay behind a settled record: only open ones and unread holes hold it', () => {
    fc.assert(
      fc.property(plays, ({ start, log, choices }) => {
        play(start, log, chooser(choices[Symbol.iterator]()), (tracker, left, readUntil) => {
          const firstOpen = Math.min(readUntil, ...left.map(({ offset }) => offset))
          for (let offset = tracker.committable; offset < firstOpen; offset++) {
            expect(log[offset - start]?.kind).toBe('hole')
          }
        })
      }),
    )
  })

  test('only moves forward, and tells of each move once', () => {
    fc.assert(
      fc.property(plays, ({ start, log, choices }) => {
        const { advances } = play(start, log, chooser(choices[Symbol.iterator]()), () => undefined)
        expect(advances).toEqual([...new Set(advances)].sort((a, b) => a - b))
        if (advances.length > 0) expect(advances[0]).toBeGreaterThan(start)
      }),
    )
  })

  test('a record that is settled more often than it owes does not settle others', () => {
    const tracker = new OffsetTracker(10)
    const first = tracker.begin(10)
    const second = tracker.begin(11)
    first.acknowledge()
    first.acknowledge()
    expect(tracker.committable).toBe(11)
    second.acknowledge()
    expect(tracker.committable).toBe(12)
  })

  test('nor does it stay open for that, while an earlier one is', () => {
    const tracker = new OffsetTracker(10)
    const first = tracker.begin(10)
    const second = tracker.begin(11)
    second.acknowledge()
    second.acknowledge()
    first.acknowledge()
    expect(tracker.committable).toBe(12)
  })

  test('a record does not settle while it is still being handed on', () => {
    const tracker = new OffsetTracker(0)
    const record = tracker.begin(0)
    record.owe()
    record.acknowledge()
    expect(tracker.committable).toBe(0)
    record.acknowledge()
    expect(tracker.committable).toBe(1)
  })

  test('going back is not skipping', () => {
    const tracker = new OffsetTracker(50)
    tracker.skipTo(40)
    expect(tracker.committable).toBe(50)
    expect(tracker.next).toBe(50)
  })
})
