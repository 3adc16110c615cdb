import { describe, expect, test } from 'vitest'
import { IssuerShares, issuersInTurn } from '../../../src/delivery/issuer-shares.ts'
import type { RelyingParty } from '../../../src/delivery/relying-party.ts'
import type { Registration } from '../../../src/events/registration.ts'
import { eventually } from '../../support/eventually.ts'
import { ISSUER, OTHER_ISSUER, sampleOrigin, sampleRegistration } from '../sample-registration.ts'
import { deliveryFixture, type SentAttempt } from './delivery-fixture.ts'
import { knownRelyingParties } from './known-relying-parties.ts'

type Named = (name: string) => RelyingParty

const ok = { kind: 'answered', status: 200 } as const
const PLACES = 256
const UNSETTLED = 320
const RPS = 2_000
/** Deliveries that come with one step of intake. */
const SLICE = 100

const at = (issuer: string, clientId: string, n: number): Registration =>
  sampleRegistration({
    issuer,
    clientId,
    sessionId: `${clientId} ${n}`,
    oidcSessionId: `${clientId} ${n}`,
    backchannelLogoutUri: `https://${clientId}.test.example/${clientId}`,
  })

/** Deliveries for each RP of the tenant that has many, as from a mass logout: one session at every RP, then the next. */
function* massLogout(count: number): Generator<Registration[]> {
  const one = (n: number) => at(ISSUER, `many-${n % RPS}`, Math.floor(n / RPS))
  for (let from = 0; from < count; from += SLICE)
    yield Array.from({ length: Math.min(SLICE, count - from) }, (_, n) => one(from + n))
}

/** A tenant with many RPs beside one with few. `answer`: what becomes of attempts at the RPs of the first. */
function tenants(
  answer: (attempt: SentAttempt, n: number) => 'at once' | 'later' | 'never',
  { env = {}, strangers = false }: { env?: Record<string, string>; strangers?: boolean } = {},
) {
  const fixture = deliveryFixture({ env, strangers })
  const { attempts, backlog, core, outcomes, owe, registry, stored } = fixture
  const later: SentAttempt[] = []
  const toldOfFew: string[] = []
  let owed = 0
  const answerAll = () => {
    for (let attempt = attempts.shift(); attempt !== undefined; attempt = attempts.shift()) {
      const name = attempt.endpoint.path.slice(1)
      if (name.startsWith('few')) {
        toldOfFew.push(name)
        attempt.answer(ok)
        continue
      }
      const when = answer(attempt, Number(name.slice('many-'.length)))
      if (when === 'at once') attempt.answer(ok)
      else if (when === 'later') later.push(attempt)
    }
  }
  const logout = async (registrations: Registration[]): Promise<void> => {
    owed += registrations.length
    const origin = sampleOrigin()
    await registry.apply(registrations.map((registration) => ({ kind: 'register', registration, origin })))
    await owe(registrations)
    answerAll()
  }
  return {
    ...fixture,
    later,
    toldOfFew,
    logout,
    /** At one of the RPs of the tenant that has few. */
    few: (n: number) => logout([at(OTHER_ISSUER, `few-${n % 3}`, n)]),
    look(times = 1): void {
      for (let n = 0; n < times; n++) {
        core.dispatcher.look()
        // What takes long is answered after some looks.
        for (const attempt of later.splice(0, Math.ceil(later.length / 10))) attempt.answer(ok)
        answerAll()
      }
    },
    answerAll,
    /** Nothing that was owed is neither told nor parked nor under way. */
    async expectNothingLost(): Promise<void> {
      await stored()
      const parked = (await backlog.sizes(10_000)).reduce((sum, { size }) => sum + size, 0)
      // What is under way and was claimed is in the backlog too.
      const claimed = new Set(
        [...core.open.all()].filter(({ isClaimed }) => isClaimed).map(({ registration }) => registration),
      )
      expect(outcomes().length + parked + core.open.size - claimed.size).toBe(owed)
    },
  }
}

test('of a thousand issuers each has room for one session, however full the room is', () => {
  const shares = new IssuerShares()
  const all = Array.from({ length: 1_000 }, (_, n) => shares.join(`${ISSUER}/${n}`))
  for (const share of all) share.seen()
  for (const share of all) expect(share.left(5, UNSETTLED, UNSETTLED)).toBeGreaterThanOrEqual(5)
})

test('RPs that are due are claimed for issuer by issuer, and of one issuer as they came', () => {
  const relyingParties = knownRelyingParties()
  const [a, b, c] = [ISSUER, OTHER_ISSUER, `${ISSUER}/c`].map(
    (issuer) => (name: string) => relyingParties.get(issuer, name),
  ) as [Named, Named, Named]
  const due = [a('1'), a('2'), a('3'), a('4'), b('1'), c('1'), b('2')]
  expect(issuersInTurn(due)).toEqual([a('1'), b('1'), c('1'), a('2'), b('2'), a('3'), a('4')])
})

describe('an issuer with two thousand RPs and a mass logout', () => {
  test('does not make intake wait while another issuer is told too', async () => {
    const { core, few, logout, stored, toldOfFew } = tenants(() => 'later')
    await few(0)
    for (const slice of massLogout(2_000)) {
      await logout(slice)
      await stored()
      expect(core.open.room.isOpen).toBe(true)
    }
    await few(1)
    expect(toldOfFew).toHaveLength(2)
  })

  test('has the whole room while it is alone, and nothing of it is parked before that is full', async () => {
    const { attempts, backlog, core, logout } = tenants(() => 'never')
    for (const slice of massLogout(UNSETTLED)) await logout(slice)
    expect(core.open.room.isOpen).toBe(false)
    expect(attempts.length + core.dispatcher.taken.attemptPlaces).toBe(PLACES)
    expect(await backlog.sizes(1)).toEqual([])
  })

  test('has it again when the other has had nothing for a minute', async () => {
    const { core, few, logout, look, stored } = tenants(() => 'never')
    await few(0)
    look(20 * 60 + 1)
    for (const slice of massLogout(UNSETTLED)) await logout(slice)
    await stored()
    expect(core.open.room.isOpen).toBe(false)
  })

  test('takes half of the places at most, and the other may take the rest', async () => {
    const env = { MAX_UNSETTLED: '5000' }
    const { attempts, core, few, logout, owe, toldOfFew } = tenants(() => 'never', { env })
    await few(0)
    for (const slice of massLogout(2_000)) await logout(slice)
    expect(core.dispatcher.taken.attemptPlaces).toBe(PLACES / 2)
    await few(1)
    expect(toldOfFew).toHaveLength(2)
    await owe(Array.from({ length: 200 }, (_, n) => at(OTHER_ISSUER, `few-${n}`, 10 + n)))
    expect(attempts).toHaveLength(PLACES / 2)
  })

  test('that holds all places gives every second one that comes free to the other', async () => {
    const { attempts, later, logout, owe } = tenants(() => 'later', { env: { MAX_UNSETTLED: '5000' } })
    for (const slice of massLogout(2_000)) await logout(slice)
    await owe(Array.from({ length: 20 }, (_, n) => at(OTHER_ISSUER, `few-${n}`, n)))
    expect(attempts).toEqual([])
    // Of its places it gives back what is more than half, and those are all for the other.
    for (const attempt of later.splice(0, 20)) attempt.answer(ok)
    expect(attempts.map(({ endpoint }) => endpoint.path.startsWith('/few'))).toEqual(Array(20).fill(true))
  })

  test('whose RPs all hang leaves sockets to RPs of another that were never heard of', async () => {
    const strangers = true
    const { attempts, core, logout, look, owe } = tenants(() => 'never', { strangers })
    for (const slice of massLogout(2_000)) {
      await logout(slice)
      look(5)
    }
    expect(core.dispatcher.taken.lingering).toBeGreaterThanOrEqual(3 * PLACES)
    await owe([at(OTHER_ISSUER, 'few-0', 0), at(OTHER_ISSUER, 'few-1', 1)])
    expect(attempts).toHaveLength(2)
  })

  const quick = () => 'at once' as const
  const slow = () => 'later' as const
  const hung = () => 'never' as const
  const mixed = (_: SentAttempt, n: number) => [quick, slow, hung][n % 3]?.() ?? 'never'

  test.each([
    { name: 'are quick', answer: quick, count: 20_000 },
    { name: 'are slow', answer: slow, count: 20_000 },
    { name: 'hang', answer: hung, count: 20_000 },
    { name: 'hang, and were never heard of', answer: hung, count: 20_000, strangers: true },
    { name: 'are quick, slow and hung', answer: mixed, count: 100_000 },
    { name: 'are all that, and were never heard of', answer: mixed, count: 20_000, strangers: true },
  ])('holds up no delivery of another, when its RPs $name', async ({ answer, count, strangers = false }) => {
    const { core, expectNothingLost, few, logout, look, stored, toldOfFew } = tenants(answer, { strangers })
    await few(0)
    let told = 1
    let slices = 0
    for (const slice of massLogout(count)) {
      await core.open.room.wait()
      await logout(slice)
      if (++slices % 4 === 0) look()
      if (slices % 25 !== 0) continue
      await stored()
      await few(told)
      look(3)
      expect(toldOfFew).toHaveLength(++told)
    }
    await expectNothingLost()
  })

  test('is told itself, all of it, from its backlog, while another has due deliveries too', async () => {
    const owedMany = 2_000
    const site = tenants(() => 'at once', { env: { RETRY_POLL_MS: '10' } })
    const { backlog, clock, core, few, look, outcomes, registry, toldOfFew } = site
    await few(0)
    const cause = { origin: sampleOrigin(), occurredAtMs: clock.now(), everywhere: false }
    const state = { attempts: 1, doubtful: 0, deadlineMs: clock.now() + 3_600_000, cause }
    const parked = [...massLogout(owedMany)].flat()
    const others = [0, 1, 2].map((n) => at(OTHER_ISSUER, `few-${n}`, 100 + n))
    await registry.apply(
      [...parked, ...others].map((registration) => ({
        kind: 'register' as const,
        registration,
        origin: sampleOrigin(),
      })),
    )
    for (const [i, it] of [...parked, ...others].entries())
      await backlog.park([
        { ...it, rpKey: `${it.issuer}|${it.clientId}`, dueMs: clock.now() - 10_000 + i, state },
      ])
    core.backlogLoop.start()
    try {
      // Before the loop has gone round the RPs of the first, the other has all of its own.
      await eventually(() => {
        site.answerAll()
        expect(toldOfFew).toHaveLength(4)
      })
      expect(outcomes().length).toBeLessThan(owedMany / 4)
      await eventually(() => {
        look()
        expect(outcomes()).toHaveLength(owedMany + 4)
      })
    } finally {
      await core.backlogLoop.stop()
    }
  })
})
