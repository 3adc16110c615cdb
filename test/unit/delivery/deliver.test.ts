import { describe, expect, test } from 'vitest'
import type { AttemptResult } from '../../../src/egress/sender.ts'
import { eventually } from '../../support/eventually.ts'
import { ISSUER, sampleOrigin, sampleRegistration } from '../sample-registration.ts'
import { deliveryFixture, type SentAttempt, tokenOf } from './delivery-fixture.ts'

const RP = `${ISSUER}|client-1`
const answered = (status: number, more: { retryAfter?: string; detail?: string } = {}): AttemptResult => ({
  kind: 'answered',
  status,
  ...more,
})
const reset: AttemptResult = {
  kind: 'unreachable',
  code: 'ECONNRESET',
  message: 'reset',
  staleConnection: true,
}
const refused: AttemptResult = {
  ...reset,
  code: 'ECONNREFUSED',
  message: 'connect ECONNREFUSED',
  staleConnection: false,
}

/** One delivery, with the results of its attempts, up to where it is stored. */
async function deliver(results: AttemptResult[], options: Parameters<typeof deliveryFixture>[0] = {}) {
  const fixture = deliveryFixture(options)
  const registration = sampleRegistration()
  await fixture.registry.apply([
    { kind: 'register', registration, origin: { id: 'r', topic: 't', partition: 0, offset: 0 } },
  ])
  const [sourceRecord] = await fixture.owe([registration])
  for (const [i, result] of results.entries()) {
    const attempt = fixture.attempts[i] as SentAttempt
    attempt.answer(result)
  }
  await fixture.stored()
  const [parked] = await fixture.backlog.claim(RP, Number.MAX_SAFE_INTEGER, 0, 1)
  const [left] = await fixture.registry.find([registration])
  expect(fixture.core.dispatcher.inFlight).toBe(0)
  expect(fixture.core.open.size).toBe(0)
  expect(sourceRecord?.isSettled).toBe(true)
  return { ...fixture, parked, isStillOwed: left !== undefined, outcome: fixture.outcomes()[0] }
}

describe('deliver', () => {
  test('a registration without a URI goes where its client says, and with neither it is invalid', async () => {
    const { backchannelLogoutUri: _, ...nowhere } = sampleRegistration()
    const uri = 'https://client.example/logout?x=1'
    const { attempts, clientNotes, endAll, outcomes, owe } = deliveryFixture({
      settings: { backchannelLogoutUri: uri },
    })
    await owe([nowhere])
    expect(attempts).toMatchObject([{ endpoint: { origin: 'https://client.example', path: '/logout?x=1' } }])
    await endAll()
    expect(outcomes()).toMatchObject([{ type: 'backchannel-logout-sent' }])
    expect(clientNotes).toEqual([])

    const without = deliveryFixture()
    const [record] = await without.owe([nowhere, sampleRegistration({ oidcSessionId: 'oidc-2' })])
    expect(without.attempts).toHaveLength(1)
    await without.endAll()
    expect(record?.isSettled).toBe(true)
    expect(without.outcomes()).toMatchObject([
      {
        reason: 'invalid',
        attempts: 0,
        lastError: expect.stringMatching(/(?=.*lr:client)(?=.*ISSUERS_FILE)/),
      },
      { type: 'backchannel-logout-sent' },
    ])
  })

  test.each([200, 204])('%i: sent, and not owed any more', async (status) => {
    const { attempts, outcome, isStillOwed, parked, published } = await deliver([answered(status)])
    const { jti } = tokenOf(attempts[0])
    expect(outcome).toMatchObject({ type: 'backchannel-logout-sent', jti, attempts: 1, status })
    expect(published).toHaveLength(1)
    expect(isStillOwed).toBe(false)
    expect(parked).toBeUndefined()
  })

  test('rejected: failed at once, with what the RP said', async () => {
    const { attempts, outcome, isStillOwed } = await deliver([
      answered(403, { detail: '{"error":"no","error_description":"go away"}' }),
    ])
    expect(outcome).toMatchObject({
      type: 'backchannel-logout-failed',
      reason: 'rejected',
      jti: tokenOf(attempts[0]).jti,
      attempts: 1,
      lastStatus: 403,
      lastError: 'HTTP 403: no: go away',
    })
    expect(isStillOwed).toBe(false)
  })

  test('blocked by the egress guard: a finding at once, and sent when the name is right again', async () => {
    const { attempts, clientNotes, clock, core, isStillOwed, outcomes, parked, reports } = await deliver([
      { kind: 'blocked', message: '10.0.0.1 is private' },
    ])
    expect(clientNotes).toMatchObject([{ kind: 'egress-refused', why: '10.0.0.1 is private' }])
    expect([outcomes(), isStillOwed]).toEqual([[], true])
    expect(reports).toMatchObject([{ verdict: 'blocked', next: { retryDueMs: clock.nowMs + 31_000 } }])
    expect(parked?.state).toMatchObject({ attempts: 1, doubtful: 1 })
    clock.nowMs += 31_000
    attempts.length = 0
    core.backlogLoop.start()
    await eventually(() => expect(attempts).toHaveLength(1))
    attempts[0]?.answer(answered(200))
    await core.backlogLoop.stop()
    await eventually(() =>
      expect(outcomes()).toMatchObject([{ type: 'backchannel-logout-sent', attempts: 2 }]),
    )
  })

  test('blocked where nothing doubtful is tried again: failed at once', async () => {
    const { outcome } = await deliver([{ kind: 'blocked', message: '10.0.0.1 is private' }], {
      env: { RETRY_DOUBTFUL_DELAYS_MS: '0' },
    })
    expect(outcome).toMatchObject({
      reason: 'blocked',
      attempts: 1,
      lastError: 'blocked: 10.0.0.1 is private',
    })
    expect(outcome).not.toHaveProperty('lastStatus')
  })

  test('retry: parked with its state, still owed, nothing published', async () => {
    const { parked, isStillOwed, published } = await deliver([
      answered(503, { retryAfter: '60', detail: 'busy' }),
    ])
    expect(parked).toMatchObject({
      rpKey: RP,
      state: { attempts: 1, doubtful: 0, lastStatus: 503, lastError: 'HTTP 503: busy' },
    })
    expect(isStillOwed).toBe(true)
    expect(published).toEqual([])
  })

  test('an RP that cannot be reached: parked, without a status', async () => {
    const { parked } = await deliver([refused])
    expect(parked?.state).toMatchObject({ attempts: 1, lastError: 'ECONNREFUSED: connect ECONNREFUSED' })
    expect(parked?.state).not.toHaveProperty('lastStatus')
  })

  test('doubtful: parked and counted as such; when doubt is not allowed, rejected', async () => {
    const { parked } = await deliver([answered(400)])
    expect(parked?.state).toMatchObject({ attempts: 1, doubtful: 1, lastStatus: 400 })
    const { outcome } = await deliver([answered(302)], { env: { RETRY_DOUBTFUL_DELAYS_MS: '0' } })
    expect(outcome).toMatchObject({ reason: 'rejected', lastStatus: 302 })
  })

  test('doubtful while the issuer is known not to show the key: the few attempts are not spent, and are afterwards', async () => {
    const fixture = deliveryFixture({ env: { RETRY_DOUBTFUL_DELAYS_MS: '31000', RETRY_MAX_ATTEMPTS: '3' } })
    const { attempts, clock, core, issuer, outcomes } = fixture
    await fixture.registry.apply([
      { kind: 'register', registration: sampleRegistration(), origin: sampleOrigin() },
    ])
    issuer.isAbsent = true
    await fixture.owe([sampleRegistration()])
    core.backlogLoop.start()
    const refuse = async (n: number) => {
      await eventually(() => expect(attempts).toHaveLength(n))
      attempts[n - 1]?.answer(answered(400))
      await fixture.stored()
      clock.nowMs += 31_000
    }
    for (const n of [1, 2, 3, 4]) await refuse(n)
    issuer.isAbsent = false
    await refuse(5)
    expect(outcomes()).toEqual([])
    await refuse(6)
    await core.backlogLoop.stop()
    await eventually(() => expect(outcomes()).toMatchObject([{ reason: 'rejected', attempts: 2 }]))
  })

  test('for an issuer that its own metadata name otherwise: parked without an attempt, and claimed when they do not', async () => {
    const fixture = deliveryFixture()
    const { attempts, backlog, clock, core, issuer, outcomes } = fixture
    await fixture.registry.apply([
      { kind: 'register', registration: sampleRegistration(), origin: sampleOrigin() },
    ])
    issuer.isMisnamed = true
    await fixture.owe([sampleRegistration()])
    await fixture.stored()
    const [before] = await backlog.sizes(1)
    expect(before).toMatchObject({ rpKey: RP, size: 1 })
    clock.nowMs += 60_000
    core.backlogLoop.start()
    core.backlogLoop.wake()
    await core.backlogLoop.stop()
    // Not even claimed: it is due as before.
    expect([attempts, outcomes(), await backlog.sizes(1)]).toEqual([[], [], [before]])
    issuer.isMisnamed = false
    const again = deliveryFixture({ stores: fixture, env: {} })
    again.clock.nowMs = clock.nowMs
    again.core.backlogLoop.start()
    await eventually(() => expect(again.attempts).toHaveLength(1))
    again.attempts[0]?.answer(answered(200))
    await again.core.backlogLoop.stop()
  })

  test('attempts spent: exhausted', async () => {
    const { outcome, parked } = await deliver([answered(500)], { env: { RETRY_MAX_ATTEMPTS: '1' } })
    expect(outcome).toMatchObject({ reason: 'exhausted', attempts: 1, lastStatus: 500 })
    expect(parked).toBeUndefined()
  })

  test('no key: failed as invalid, without an attempt', async () => {
    const { outcome, attempts } = await deliver([], { hasKey: false })
    expect(outcome).toMatchObject({ reason: 'invalid', attempts: 0, lastError: 'no RS256 key signs now' })
    expect(attempts).toEqual([])
  })

  test('past its deadline: expired, without an attempt', async () => {
    const fixture = deliveryFixture({ env: { MAX_IN_FLIGHT: '1' } })
    await fixture.owe([sampleRegistration(), sampleRegistration({ oidcSessionId: 'late' })])
    fixture.clock.nowMs += 86_400_000
    fixture.attempts[0]?.answer(answered(200))
    await fixture.stored()
    expect(fixture.attempts).toHaveLength(1)
    expect(fixture.outcomes()).toContainEqual(
      expect.objectContaining({ oidcSessionId: 'late', reason: 'expired', attempts: 0 }),
    )
    // Whoever was attempted in time is judged by the answer, however late that came.
    expect(fixture.outcomes()).toContainEqual(
      expect.objectContaining({ oidcSessionId: 'oidc-1', attempts: 1, status: 200 }),
    )
  })

  test('of an issuer that is not served any more stays parked, without an attempt', async () => {
    const fixture = deliveryFixture()
    const [creditor] = await fixture.owe([sampleRegistration({ issuer: 'https://other.example' })])
    await fixture.stored()
    expect(fixture.attempts).toEqual([])
    expect(fixture.outcomes()).toEqual([])
    expect(await fixture.backlog.sizes(1)).toMatchObject([{ size: 1 }])
    expect(creditor?.isSettled).toBe(true)
  })
})

describe('a reused connection that the RP gave up', () => {
  test('is tried again at once with a new jti, and not counted', async () => {
    const { attempts, outcome, reports } = await deliver([reset, answered(200)])
    const [first, second] = attempts.map((attempt) => tokenOf(attempt).jti)
    expect(second).not.toBe(first)
    expect(outcome).toMatchObject({ type: 'backchannel-logout-sent', jti: second, attempts: 1 })
    expect(reports.map(({ jti, next, attemptNumber }) => [jti, next, attemptNumber])).toEqual([
      [first, 'resend', 1],
      [second, 'none', 1],
    ])
  })

  test('is tried again once only', async () => {
    const { parked, attempts } = await deliver([reset, reset])
    expect(attempts).toHaveLength(2)
    expect(parked?.state).toMatchObject({ attempts: 1, lastError: 'ECONNRESET: reset' })
  })
})

describe('what is asked of the transport and the sender', () => {
  test('goes where the registration says, and where the RP’s settings say above it', async () => {
    const { attempts } = await deliver([answered(200)])
    expect(attempts[0]?.endpoint).toEqual({ origin: 'https://rp.example', path: '/backchannel-logout' })
    const overridden = deliveryFixture({ settings: { backchannelLogoutUri: 'https://new.example/l?t=1' } })
    await overridden.owe([sampleRegistration()])
    expect(overridden.attempts[0]?.endpoint).toEqual({ origin: 'https://new.example', path: '/l?t=1' })
  })

  test.each([
    ['at+jwt', undefined],
    [undefined, 'at+jwt'],
    ['JWT', 'JWT'],
  ])(
    'a registration that asks for %s and settings that ask for %s get no other type, and are noted',
    async (typ, set) => {
      const fixture = deliveryFixture({ settings: set === undefined ? {} : { typ: set } })
      await fixture.owe([sampleRegistration(typ === undefined ? {} : { typ })])
      expect(tokenOf(fixture.attempts[0]).typ).toBe('logout+jwt')
      expect(fixture.clientNotes).toEqual([{ clientId: 'client-1', kind: 'type-ignored', asked: set ?? typ }])
    },
  )

  test('JWT only for a client that the operator lists, whatever else is asked for', async () => {
    const fixture = deliveryFixture({ env: { TOKEN_TYPE_JWT_CLIENTS: 'other, client-1' } })
    await fixture.owe([sampleRegistration(), sampleRegistration({ oidcSessionId: 'b', typ: 'at+jwt' })])
    expect(fixture.attempts.map((attempt) => tokenOf(attempt).typ)).toEqual(['JWT', 'JWT'])
    expect(fixture.clientNotes).toMatchObject([{ kind: 'type-ignored', asked: 'at+jwt' }])
  })

  test('a trigger older than an hour makes the logout late, long before the deadline', async () => {
    const fixture = deliveryFixture({ settings: { claims: 'sub' } })
    await fixture.owe([sampleRegistration()], { occurredAtMs: fixture.clock.now() - 3_600_000 })
    await fixture.owe([sampleRegistration({ oidcSessionId: 'b' })], {
      occurredAtMs: fixture.clock.now() - 3_600_001,
    })
    expect(fixture.attempts.map((attempt) => 'sid' in tokenOf(attempt))).toEqual([false, true])
  })

  test('what one token did not tell waits in the backlog, each registration for itself', async () => {
    const fixture = deliveryFixture({ settings: { claims: 'sub' } })
    const both = ['a', 'b'].map((sessionId) => sampleRegistration({ sessionId }))
    await fixture.owe(both, { everywhere: true })
    fixture.attempts[0]?.answer(answered(503))
    await fixture.stored()
    const parked = await fixture.backlog.claim(RP, Number.MAX_SAFE_INTEGER, 0, 10)
    expect(parked.map(({ sessionId }) => sessionId).toSorted()).toEqual(['a', 'b'])
    expect(parked.map(({ state }) => state.attempts)).toEqual([1, 1])
  })

  test('what one token told is settled with the last of its outcomes, not with the first', async () => {
    const secondBatch = Promise.withResolvers<void>()
    let batches = 0
    const fixture = deliveryFixture({
      settings: { claims: 'sub' },
      acknowledged: () => (++batches === 1 ? Promise.resolve() : secondBatch.promise),
    })
    // One more than go into one request.
    const all = Array.from({ length: 1_001 }, (_, i) => sampleRegistration({ sessionId: `session-${i}` }))
    const sourceRecords = await fixture.owe(all, { everywhere: true })
    expect(fixture.attempts).toHaveLength(1)
    fixture.attempts[0]?.answer(answered(200))
    await eventually(() => expect(fixture.steps.filter((step) => step.startsWith('settle')).length).toBe(2))
    expect(fixture.published).toHaveLength(1_000)
    expect(fixture.core.open.size).toBeGreaterThan(0)
    expect(sourceRecords.some(({ isSettled }) => isSettled)).toBe(false)
    secondBatch.resolve()
    await fixture.stored()
    expect(sourceRecords.every(({ isSettled }) => isSettled)).toBe(true)
  })

  test('an RP that wants sub alone is told once of a sign-out everywhere, and each registration has its outcome', async () => {
    const fixture = deliveryFixture({ settings: { claims: 'sub' } })
    const both = [sampleRegistration(), sampleRegistration({ oidcSessionId: 'b', sessionId: 'session-2' })]
    const sourceRecords = await fixture.owe(both, { everywhere: true })
    expect(fixture.attempts).toHaveLength(1)
    fixture.attempts[0]?.answer(answered(200))
    await fixture.stored()
    const { jti } = tokenOf(fixture.attempts[0])
    expect(fixture.outcomes().map(({ oidcSessionId, jti: told }) => [oidcSessionId, told])).toEqual([
      ['oidc-1', jti],
      ['b', jti],
    ])
    expect(sourceRecords.every(({ isSettled }) => isSettled)).toBe(true)
  })

  test('of a late sign-out, whose token names one session, an RP is told for each session', async () => {
    const fixture = deliveryFixture({ settings: { claims: 'sub' } })
    const both = [sampleRegistration(), sampleRegistration({ oidcSessionId: 'b', sessionId: 'session-2' })]
    await fixture.owe(both, { everywhere: true, occurredAtMs: fixture.clock.now() - 3_600_001 })
    expect(fixture.attempts.map((attempt) => tokenOf(attempt).sid)).toEqual(['session-1', 'session-2'])
  })

  test('a registration that is being delivered is joined, not sent again', async () => {
    const fixture = deliveryFixture()
    const first = await fixture.owe([sampleRegistration()])
    const second = await fixture.owe([sampleRegistration()])
    expect(fixture.attempts).toHaveLength(1)
    fixture.attempts[0]?.answer(answered(200))
    await fixture.stored()
    expect([...first, ...second].map(({ isSettled }) => isSettled)).toEqual([true, true])
    expect(fixture.published).toHaveLength(1)
  })
})

describe('where tokens go', () => {
  const NEW = 'https://new.example:8443'
  const moved = { backchannelLogoutUri: `${NEW}/l?secret=1` }
  const allowed = { CLIENT_HOSTS: 'client-1=rp.example,client-1=*.rp.example' }

  test('outcomes name the origin that was called, and nothing more of the URI', async () => {
    const { outcome, reports, clientNotes } = await deliver([answered(200)], { settings: moved })
    expect(outcome).toMatchObject({ origin: NEW })
    expect(JSON.stringify([outcome, reports[0]?.delivery.origin])).not.toContain('secret')
    expect(clientNotes).toEqual([
      { clientId: 'client-1', kind: 'origin-overridden', from: 'https://rp.example', to: NEW },
    ])
    expect((await deliver([answered(403)])).outcome).toMatchObject({ origin: 'https://rp.example' })
  })

  test('one that expires after attempts elsewhere still tells where they went', async () => {
    const { parked } = await deliver([answered(503)], { settings: moved })
    expect(parked?.state.origin).toBe(NEW)
  })

  test('registrations that go elsewhere than those before are noted', async () => {
    const fixture = deliveryFixture()
    for (const origin of ['https://rp.example', 'https://rp.example', 'https://evil.example']) {
      await fixture.owe([
        sampleRegistration({ oidcSessionId: origin, backchannelLogoutUri: `${origin}/logout` }),
      ])
    }
    expect(fixture.clientNotes).toEqual([
      {
        clientId: 'client-1',
        kind: 'origin-changed',
        from: 'https://rp.example',
        to: 'https://evil.example',
      },
    ])
  })

  test('nothing is sent to a host that the operator does not allow the client', async () => {
    const fixture = deliveryFixture({ env: allowed })
    const uris = ['https://evil.example/l', 'https://rp.example.evil.example/l', 'https://xrp.example/l']
    await fixture.owe(
      uris.map((uri) => sampleRegistration({ oidcSessionId: uri, backchannelLogoutUri: uri })),
    )
    expect(fixture.attempts).toEqual([])
    expect(fixture.reports.map(({ verdict }) => verdict)).toEqual(uris.map(() => 'blocked'))
    await fixture.stored()
    expect([fixture.outcomes(), await fixture.backlog.sizes(1)]).toMatchObject([[], [{ size: uris.length }]])
    expect(fixture.clientNotes.map(({ kind }) => kind)).toEqual(uris.map(() => 'host-refused'))
  })

  test('a host that the operator allows is no news, and other clients go where they want', async () => {
    const fixture = deliveryFixture({ env: allowed })
    const uris = ['https://rp.example/l', 'https://RP.example.:9443/l', 'https://eu.rp.example/l']
    await fixture.owe([
      ...uris.map((uri) => sampleRegistration({ oidcSessionId: uri, backchannelLogoutUri: uri })),
      sampleRegistration({ clientId: 'client-2', backchannelLogoutUri: 'https://two.example/l' }),
    ])
    expect(fixture.attempts).toHaveLength(4)
    expect(fixture.clientNotes).toEqual([])
  })
})
