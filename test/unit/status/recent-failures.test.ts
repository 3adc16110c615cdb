import { expect, test } from 'vitest'
import { planDeliveries } from '../../../src/delivery/resolve.ts'
import { RecentFailures } from '../../../src/status/recent-failures.ts'
import { knownRelyingParties } from '../delivery/known-relying-parties.ts'
import { manualClock } from '../manual-clock.ts'
import { ISSUER, sampleOrigin, sampleRegistration } from '../sample-registration.ts'

const SESSION = 'session-abc'
const registration = sampleRegistration({
  sessionId: SESSION,
  userId: 'alice',
  clientId: 'shop',
  backchannelLogoutUri: 'https://shop.example:8443/tenant/alice?key=secret',
})
const rejected = {
  kind: 'failed',
  reason: 'rejected',
  attempts: 1,
  lastStatus: 403,
  lastError: `HTTP 403: no session ${SESSION} of alice`,
} as const

test('a failed delivery: client, host and reason, and nothing of what names the session or the user', () => {
  const failures = new RecentFailures(manualClock(5))
  failures.failed(rejected, registration)
  expect(failures.list).toEqual([
    {
      kind: 'delivery',
      what: 'shop',
      rpKey: `${ISSUER}|shop`,
      reason: 'rejected',
      host: 'shop.example:8443',
      why: 'rejected: HTTP 403',
      count: 1,
      atMs: 5,
    },
  ])
})

test.each([
  ['connect ECONNREFUSED 1.2.3.4', 'exhausted'],
  ['ECONNREFUSED: connect', 'exhausted: ECONNREFUSED'],
  ['LR_ATTEMPT_TIMEOUT', 'exhausted: LR_ATTEMPT_TIMEOUT'],
  ['Alice', 'exhausted'],
  [undefined, 'exhausted'],
])('of the error %o only a code is shown', (lastError, why) => {
  const failures = new RecentFailures(manualClock())
  const outcome = { kind: 'failed', reason: 'exhausted', attempts: 1 } as const
  failures.failed(lastError === undefined ? outcome : { ...outcome, lastError }, registration)
  expect(failures.list[0]?.why).toBe(why)
})

test('one that cannot be read has no client and no address', () => {
  const failures = new RecentFailures(manualClock())
  const invalid = { kind: 'failed', reason: 'invalid', attempts: 0 } as const
  failures.failed(invalid, { issuer: ISSUER, sessionId: SESSION, oidcSessionId: 'o' })
  failures.failed(invalid, { ...registration, backchannelLogoutUri: 'no address' })
  expect(failures.list.map(({ what, host }) => [what, host])).toEqual([
    ['shop', 'unreadable'],
    ['unknown', undefined],
  ])
})

test('repetitions are counted, the latest stands first, and the twenty-first pushes out the oldest', () => {
  const clock = manualClock(0)
  const failures = new RecentFailures(clock)
  failures.fault('redis', new Error('away'))
  for (let i = 0; i < 25; i++) {
    clock.nowMs++
    failures.failed(rejected, { ...registration, clientId: `client-${i}` })
    failures.fault('redis', new Error('away'))
  }
  expect(failures.list).toHaveLength(20)
  expect(failures.list[0]).toEqual({ kind: 'fault', what: 'redis', why: 'away', count: 26, atMs: 25 })
  expect(failures.list.at(-1)?.what).toBe('client-6')
})

test('faults and poison records lose keys, tokens and control characters', () => {
  const failures = new RecentFailures(manualClock())
  failures.fault('redis', new Error(`ERR at lr:session:{${ISSUER}|${SESSION}} eyJhbGciOi.eyJ.x\n`))
  failures.fault('redis', `ERR at lr:session:{${ISSUER}|${SESSION} with a space`)
  const record = {
    topic: 'events',
    partition: 3,
    offset: 7,
    key: null,
    value: null,
    headers: {},
    timestampMs: 0,
  }
  failures.poisoned(record as never, 'unknown', 'value: is not JSON')
  expect(failures.list.map(({ what, why }) => [what, why])).toEqual([
    ['events/3', 'value: is not JSON'],
    ['redis', 'ERR at lr:session:{…}'],
    ['redis', 'ERR at lr:session:{…} [token]'],
  ])
})

test('the last problem at an RP is known by its backlog, for five hundred RPs', () => {
  const failures = new RecentFailures(manualClock(9))
  const parties = knownRelyingParties()
  for (let i = 0; i < 501; i++) {
    const cause = { origin: sampleOrigin(), occurredAtMs: 0, everywhere: false }
    const owed = { registration: { ...registration, clientId: `c${i}` }, cause, deadlineMs: 1 }
    const [delivery] = planDeliveries([owed], parties)
    if (delivery === undefined) throw new Error('nothing is planned')
    failures.attemptFailed(delivery)
    failures.attemptFailed(Object.assign(delivery, { lastError: 'ECONNRESET: by peer' }))
  }
  expect(failures.problemAt(`${ISSUER}|c0`)).toBeUndefined()
  expect(failures.problemAt(`${ISSUER}|c500`)).toEqual({
    host: 'shop.example:8443',
    error: 'ECONNRESET',
    atMs: 9,
  })
})
