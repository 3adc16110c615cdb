import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeMember, encodeMember } from '../../../src/redis/parked-state.ts'
import { readMark, readMarks, writeMark } from '../../../src/redis/session-mark.ts'
import { timeToLiveMs } from '../../../src/redis/time-to-live.ts'
import { endingOfOutcome } from '../../../src/registry/ending.ts'
import { ISSUER, sampleEnding, sampleOrigin } from '../sample-registration.ts'

const DAY_MS = 24 * 60 * 60_000
const none = sampleEnding({ origin: sampleOrigin({ id: 'otherwise' }) })

const time = 1_700_000_000_000
const odd: readonly unknown[] = [
  ...['', ' ', 'x', 'x\ny\nz', 'a b', 'a\u2028b', '\ud800', '-', 'trigger-1', 'session-events', '../x', 'ü'],
  ...[
    null,
    0,
    -1,
    7,
    1.5,
    1e300,
    -1e300,
    9e15,
    2e17,
    Number.MAX_SAFE_INTEGER,
    time,
    time + 0.5,
    {},
    [],
    true,
  ],
  '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
]
const valid = ['trigger-1', 'session-events', 0, 7, time, time, time, 0] as const
/** Marks with arbitrary values in some fields. */
const lines = fc
  .tuple(
    fc.dictionary(fc.nat(11).map(String), fc.constantFrom(...odd), { maxKeys: 3 }),
    fc.array(fc.constantFrom(...odd), { maxLength: 3 }),
  )
  .map(([changes, more]) => JSON.stringify(Object.assign([...valid, ...more], changes)))

test('whatever stands as a mark, what is parked for it is read again as it was parked', () => {
  let marks = 0
  fc.assert(
    fc.property(lines, (line) => {
      const ending = readMark(line, none)
      if (ending === undefined) return
      marks++
      const { deadlineMs = time, userId: _, ...cause } = ending
      const names = { sessionId: 'session-1', oidcSessionId: 'oidc-1' }
      const member = encodeMember({
        rpKey: `${ISSUER}|shop`,
        issuer: ISSUER,
        ...names,
        state: { cause, deadlineMs },
      })
      const { untilMs, ...rest } = cause
      const read = Number.isFinite(untilMs) ? cause : rest
      expect(decodeMember(member)).toEqual({ ...names, state: { cause: read, deadlineMs } })
    }),
    { numRuns: 2_000 },
  )
  expect(marks).toBeGreaterThan(100)
})

test('times that are none, or none that is whole, are parked as dates', () => {
  const times = fc.oneof(fc.double(), fc.constantFrom(1e300, -1e300, Number.MAX_SAFE_INTEGER, 0, time))
  fc.assert(
    fc.property(times, times, times, (deadlineMs, occurredAtMs, untilMs) => {
      const cause = { origin: sampleOrigin(), occurredAtMs, untilMs, everywhere: false }
      const names = { rpKey: 'rp', issuer: ISSUER, sessionId: 's', oidcSessionId: 'o' }
      const member = encodeMember({ ...names, state: { cause, deadlineMs } })
      const read = decodeMember(member)
      expect(read).toBeDefined()
      if (read !== undefined) expect(encodeMember({ ...names, ...read })).toBe(member)
    }),
  )
})

test.each([
  ['a topic that is empty', ['x', '', 0, 5, time, time, time, 0]],
  ['a topic with blanks', ['x', 'a b', 0, 5, time, time, time, 0]],
  ['an id of several lines', ['x\ny\nz', 't', 0, 5, time, time, time, 0]],
  ['an id that is empty', ['', 't', 0, 5, time, time, time, 0]],
  ['an offset that is none', ['x', 't', 0, -1, time, time, time, 0]],
  ['a cut-off that is no time', ['x', 't', 0, 5, 9e15, time, time, 0]],
  ['a time that is none', ['x', 't', 0, 5, time, 1e300, time, 0]],
  ['a deadline that is none', ['x', 't', 0, 5, time, time, 2e17, 0]],
  ['a user with a line break', ['x', 't', 0, 5, time, time, time, 0, '', '', 'u\n']],
])("a mark with %s is somebody else's", (_, fields) => {
  expect(readMarks(JSON.stringify(fields), none)).toEqual([])
})

test('a trace context of a mark that is none is left out', () => {
  const mark = readMark(JSON.stringify([...valid, 'x y\nz', 'a=b']), none)
  expect(mark).toMatchObject({ origin: { id: 'trigger-1' } })
  expect(mark).not.toHaveProperty('traceparent')
})

test('an outcome whose times are none leaves no mark that cannot be read', () => {
  const settled = {
    issuer: ISSUER,
    sessionId: 's',
    oidcSessionId: 'o',
    recordedAtMs: time,
    origin: sampleOrigin(),
  }
  const times = fc.constantFrom(undefined, 1e300, -1, time + 0.5, time, Number.MAX_SAFE_INTEGER)
  fc.assert(
    fc.property(times, times, (occurredAtMs, registeredAtMs = time) => {
      const outcome = { ...settled, registeredAtMs, ...(occurredAtMs !== undefined && { occurredAtMs }) }
      const ending = endingOfOutcome(outcome)
      if (ending !== undefined) expect(readMark(writeMark(ending), none)).toEqual(ending)
    }),
  )
})

test('a life is a whole number of milliseconds, and none is longer than the longest deadline', () => {
  fc.assert(
    fc.property(fc.double(), (deadlineMs) => {
      const life = timeToLiveMs(deadlineMs, time)
      expect(Number.isSafeInteger(life)).toBe(true)
      expect(life).toBeGreaterThan(0)
      expect(life).toBeLessThanOrEqual(31 * DAY_MS)
    }),
  )
})
