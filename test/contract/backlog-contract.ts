import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Backlog, ParkedDelivery, ParkedState } from '../../src/delivery/backlog.ts'
import { ISSUER, sampleOrigin } from '../unit/sample-registration.ts'

export interface BacklogUnderTest extends AsyncDisposable {
  readonly backlog: Backlog
  /** The same backlog as other replicas see it. */
  replicas(count: number): Promise<Backlog[]>
}

const NOW = 1_800_000_000_000
const LEASE = NOW + 30_000

function parkedState(overrides: Partial<ParkedState> = {}): ParkedState {
  return {
    attempts: 2,
    doubtful: 1,
    deadlineMs: NOW + 3_600_000,
    cause: { origin: sampleOrigin(), occurredAtMs: NOW - 5_000, everywhere: false },
    ...overrides,
  }
}

function parked(
  oidcSessionId: string,
  dueMs: number,
  overrides: Partial<ParkedDelivery> = {},
): ParkedDelivery {
  const client = overrides.rpKey ?? `${ISSUER}|client-1`
  return {
    rpKey: client,
    issuer: ISSUER,
    sessionId: 'session-1',
    oidcSessionId,
    dueMs,
    state: parkedState(),
    ...overrides,
  }
}

function names(deliveries: readonly ParkedDelivery[]): string[] {
  return deliveries.map(({ oidcSessionId }) => oidcSessionId)
}

const RP = `${ISSUER}|client-1`
/** A client id is opaque: it may contain the separator after the issuer. */
const ODD_RP = `${ISSUER}|client|2 {x}`

/** The contract of every backlog. Each test gets an empty one. */
export function testBacklog(name: string, create: () => Promise<BacklogUnderTest>): void {
  describe(`backlog: ${name}`, () => {
    let fixture: BacklogUnderTest
    let backlog: Backlog

    beforeEach(async () => {
      fixture = await create()
      backlog = fixture.backlog
    })
    afterEach(() => fixture[Symbol.asyncDispose]())

    test('gives what has expired, due or not and whatever stands before it, and nothing that is leased', async () => {
      const expired = { state: parkedState({ deadlineMs: NOW }) }
      const all = [
        ...['a', 'b', 'c'].map((id) => parked(id, NOW - 3)),
        parked('d', NOW - 2, expired),
        parked('leased', NOW - 1, expired),
        parked('e', NOW - 1, { state: parkedState({ deadlineMs: NOW - 1, lastStatus: 503 }) }),
        parked('f', NOW, { state: parkedState({ deadlineMs: NOW + 1 }) }),
        parked('g', NOW + 10_000, expired),
      ]
      await backlog.hold([all[4] as ParkedDelivery], NOW, LEASE)
      await backlog.park(all.filter(({ oidcSessionId }) => oidcSessionId !== 'leased'))
      const look = (from: number, count = 3) => backlog.claimExpired(RP, NOW, LEASE, 10, { from, count })
      const [first, second] = [await look(0), await look(3)]
      expect(first).toEqual({ claimed: [], next: 3 })
      expect(second.claimed).toEqual([all[3], all[5]].map((it) => ({ ...it, dueMs: LEASE })))
      expect(second.next).toBe(4)
      const third = await look(second.next)
      expect([names([...third.claimed]), third.next]).toEqual([['g'], 0])
      expect(await look(0, 100)).toEqual({ claimed: [], next: 0 })
      expect(names(await backlog.claim(RP, NOW, LEASE, 10))).toEqual(['a', 'b', 'c', 'f'])
    })

    test('claims no more of what has expired than asked for, and goes on behind that', async () => {
      const state = parkedState({ deadlineMs: NOW })
      const ids = ['a', 'b', 'c']
      await backlog.park(ids.map((id, i) => parked(id, NOW - 3 + i, { state })))
      const { claimed, next } = await backlog.claimExpired(RP, NOW, LEASE, 2, { from: 0, count: 10 })
      expect([names([...claimed]), next]).toEqual([['a', 'b'], 0])
      expect(
        names([...(await backlog.claimExpired(RP, NOW, LEASE, 2, { from: 0, count: 10 })).claimed]),
      ).toEqual(['c'])
    })

    test('gives back what was parked, whole', async () => {
      const state = parkedState({
        lastStatus: 503,
        lastError: 'HTTP 503: "later"\u2028',
        origin: 'https://rp.example:8443',
        cause: {
          origin: sampleOrigin({ id: 'id "with" quotes', offset: 2 ** 50 }),
          occurredAtMs: NOW,
          everywhere: true,
          traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
          tracestate: 'vendor=a b;c,other@x=1',
        },
      })
      const full = parked('oidc ü|{}', NOW, { rpKey: ODD_RP, sessionId: 'session {1}|x', state })
      const sparse = parked('b', NOW, { state: parkedState({ attempts: 0, doubtful: 0 }) })
      await backlog.park([full, sparse])
      expect(await backlog.claim(ODD_RP, NOW, LEASE, 10)).toEqual([{ ...full, dueMs: LEASE }])
      expect(await backlog.claim(RP, NOW, LEASE, 10)).toEqual([{ ...sparse, dueMs: LEASE }])
    })

    test('gives what is due, oldest first, and no more than asked for', async () => {
      await backlog.park([
        parked('third', NOW),
        parked('first', NOW - 20),
        parked('later', NOW + 1),
        parked('second', NOW - 10),
      ])
      expect(names(await backlog.claim(RP, NOW, LEASE, 2))).toEqual(['first', 'second'])
      expect(names(await backlog.claim(RP, NOW, LEASE, 2))).toEqual(['third'])
      expect(await backlog.claim(RP, NOW, LEASE, 2)).toEqual([])
      expect(names(await backlog.claim(RP, NOW + 1, LEASE, 2))).toEqual(['later'])
    })

    test('a claimed delivery is nobody else’s until its lease ends, and then due again', async () => {
      await backlog.park([parked('a', NOW)])
      expect(names(await backlog.claim(RP, NOW, LEASE, 10))).toEqual(['a'])
      expect(await backlog.claim(RP, LEASE - 1, LEASE + 30_000, 10)).toEqual([])
      expect(names(await backlog.claim(RP, LEASE, LEASE + 30_000, 10))).toEqual(['a'])
    })

    test('of two deliveries for one registration, one is leased at a time', async () => {
      const [other] = (await fixture.replicas(1)) as [Backlog]
      const later = parkedState({
        cause: { origin: sampleOrigin({ id: 'trigger-2' }), occurredAtMs: NOW, everywhere: true },
      })
      const second = parked('a', NOW, { state: later })
      await backlog.park([parked('a', NOW), second])
      expect(names(await backlog.claim(RP, NOW, LEASE, 10))).toEqual(['a'])
      expect(await other.claim(RP, NOW, LEASE, 10)).toEqual([])
      await backlog.remove([parked('a', NOW)])
      expect(await other.claim(RP, LEASE, LEASE + 1, 10)).toEqual([{ ...second, dueMs: LEASE + 1 }])
    })

    test('parking again gives the new due time and state, whether leased or not', async () => {
      await backlog.park([parked('a', NOW)])
      await backlog.park([parked('a', NOW + 500, { state: parkedState({ attempts: 3 }) })])
      expect(await backlog.claim(RP, NOW + 499, LEASE, 10)).toEqual([])
      expect(await backlog.claim(RP, NOW + 500, LEASE, 10)).toMatchObject([{ state: { attempts: 3 } }])
      await backlog.park([parked('a', NOW + 600, { state: parkedState({ attempts: 4 }) })])
      expect(await backlog.claim(RP, NOW + 600, LEASE, 10)).toMatchObject([{ state: { attempts: 4 } }])
      expect(await backlog.sizes(10)).toMatchObject([{ rpKey: RP, size: 1 }])
    })

    test('what is removed does not come back', async () => {
      await backlog.park([parked('a', NOW), parked('b', NOW), parked('c', NOW, { rpKey: ODD_RP })])
      await backlog.remove([parked('a', 0), parked('c', 0, { rpKey: ODD_RP }), parked('nobody', 0)])
      await backlog.remove([parked('a', 0)])
      expect(names(await backlog.claim(RP, NOW, LEASE, 10))).toEqual(['b'])
      await backlog.remove([parked('b', 0)])
      expect(await backlog.claim(RP, LEASE, LEASE + 1, 10)).toEqual([])
      expect(await backlog.sizes(10)).toEqual([])
    })

    describe('deliveries that somebody may have', () => {
      const cause = { origin: sampleOrigin(), occurredAtMs: NOW - 5_000, untilMs: NOW, everywhere: false }
      const fresh = parkedState({ attempts: 0, doubtful: 0, cause })

      test('what nobody has is held as though it had been parked and claimed', async () => {
        const [other] = (await fixture.replicas(1)) as [Backlog]
        const [a, b] = [parked('a', NOW, { state: fresh }), parked('b', NOW, { state: fresh })]
        expect(await backlog.hold([a, b], NOW, LEASE)).toEqual(['caller', 'caller'])
        expect(await other.hold([b, a], NOW, LEASE)).toEqual(['backlog', 'backlog'])
        expect(await other.claim(RP, LEASE - 1, LEASE + 30_000, 10)).toEqual([])
        await backlog.remove([a])
        expect(await other.claim(RP, LEASE, LEASE + 30_000, 10)).toEqual([{ ...b, dueMs: LEASE + 30_000 }])
      })

      test('what is parked stays as it is, due when it was and with what is known of it', async () => {
        const state = parkedState({ cause })
        await backlog.park([parked('a', NOW + 500, { state })])
        expect(await backlog.hold([parked('a', NOW, { state: fresh })], NOW, LEASE)).toEqual(['backlog'])
        expect(await backlog.claim(RP, NOW + 499, LEASE, 10)).toEqual([])
        expect(await backlog.claim(RP, NOW + 500, LEASE, 10)).toEqual([parked('a', LEASE, { state })])
      })

      test('while one is held, nobody gets another one for the same registration', async () => {
        const of = (id: string) =>
          parkedState({ attempts: 0, doubtful: 0, cause: { ...cause, origin: sampleOrigin({ id }) } })
        await backlog.park([parked('a', NOW, { state: of('trigger-2') })])
        expect(await backlog.hold([parked('a', NOW, { state: fresh })], NOW, LEASE)).toEqual(['caller'])
        expect(await backlog.claim(RP, NOW, LEASE, 10)).toEqual([])
        expect(await backlog.hold([parked('a', NOW, { state: of('trigger-3') })], NOW, LEASE)).toEqual([
          'backlog',
        ])
      })

      test('one that is made due is due at once, and is still one', async () => {
        const state = parkedState({ cause })
        await backlog.park([parked('a', NOW + 500, { state }), parked('b', NOW - 5, { state: fresh })])
        await backlog.makeDue(
          ['a', 'b'].map((it) => parked(it, NOW + 90, { state: fresh })),
          NOW,
        )
        expect(await backlog.dueRps(NOW, 0, 10)).toEqual([RP])
        expect(await backlog.claim(RP, NOW, LEASE, 10)).toEqual([
          parked('b', LEASE, { state: fresh }),
          parked('a', LEASE, { state }),
        ])
      })

      test('one that is leased is left to whoever holds it', async () => {
        await backlog.park([parked('a', NOW, { state: fresh })])
        await backlog.claim(RP, NOW, LEASE, 10)
        await backlog.makeDue([parked('a', NOW, { state: fresh })], NOW)
        expect(await backlog.claim(RP, LEASE - 1, LEASE + 1, 10)).toEqual([])
        expect(names(await backlog.claim(RP, LEASE, LEASE + 1, 10))).toEqual(['a'])
      })

      test('one that is not parked is due as given, and the attempt that ends before it parks the same one', async () => {
        const it = parked('a', NOW + 90, { state: fresh })
        await backlog.makeDue([it], NOW)
        await backlog.makeDue([{ ...it, dueMs: NOW + 95 }], NOW + 95)
        const state = parkedState({ cause, attempts: 1 })
        await backlog.park([parked('a', NOW + 700, { state })])
        expect(await backlog.claim(RP, NOW + 699, LEASE, 10)).toEqual([])
        expect(await backlog.claim(RP, NOW + 700, LEASE, 10)).toEqual([parked('a', LEASE, { state })])
        expect(await backlog.sizes(10)).toMatchObject([{ size: 1 }])
      })

      test('nothing to do is done', async () => {
        expect(await backlog.hold([], NOW, LEASE)).toEqual([])
        await backlog.makeDue([], NOW)
      })
    })

    test('the same session and RP session at two RPs are two deliveries', async () => {
      await backlog.park([parked('a', NOW), parked('a', NOW, { rpKey: ODD_RP })])
      await backlog.remove([parked('a', 0)])
      expect(await backlog.claim(RP, NOW, LEASE, 10)).toEqual([])
      expect(names(await backlog.claim(ODD_RP, NOW, LEASE, 10))).toEqual(['a'])
    })

    describe('the index of RPs', () => {
      test('names the RPs that have something due, the longest due first', async () => {
        await backlog.park([
          parked('a', NOW, { rpKey: 'i|new' }),
          parked('b', NOW - 100, { rpKey: 'i|old' }),
          parked('c', NOW + 1, { rpKey: 'i|later' }),
          parked('d', NOW - 50, { rpKey: 'i|middle' }),
        ])
        expect(await backlog.dueRps(NOW, 0, 10)).toEqual(['i|old', 'i|middle', 'i|new'])
        expect(await backlog.dueRps(NOW, 0, 2)).toEqual(['i|old', 'i|middle'])
        expect(await backlog.dueRps(NOW - 101, 0, 10)).toEqual([])
      })

      test('an RP whose due deliveries are claimed is due again at its next one, or when a lease ends', async () => {
        await backlog.park([parked('a', NOW), parked('b', NOW + 10)])
        await backlog.claim(RP, NOW, LEASE, 10)
        expect(await backlog.dueRps(NOW, 0, 10)).toEqual([])
        expect(await backlog.dueRps(NOW + 10, 0, 10)).toEqual([RP])
        await backlog.claim(RP, NOW + 10, LEASE + 10, 10)
        expect(await backlog.dueRps(LEASE - 1, 0, 10)).toEqual([])
        expect(await backlog.dueRps(LEASE, 0, 10)).toEqual([RP])
      })

      test('an RP stays due while a claim left something', async () => {
        await backlog.park([parked('a', NOW), parked('b', NOW)])
        await backlog.claim(RP, NOW, LEASE, 1)
        expect(await backlog.dueRps(NOW, 0, 10)).toEqual([RP])
      })

      test('an earlier delivery brings its RP forward, a later one does not put it back', async () => {
        await backlog.park([parked('a', NOW)])
        await backlog.park([parked('b', NOW + 100)])
        expect(await backlog.dueRps(NOW, 0, 10)).toEqual([RP])
        await backlog.park([parked('c', NOW - 100)])
        expect(await backlog.dueRps(NOW - 100, 0, 10)).toEqual([RP])
      })

      test('an RP without parked deliveries is in no index, and returns with the next one', async () => {
        await backlog.park([parked('a', NOW)])
        await backlog.remove([parked('a', 0)])
        expect(await backlog.dueRps(NOW + 1_000_000, 0, 10)).toEqual([])
        await backlog.park([parked('a', NOW)])
        expect(await backlog.dueRps(NOW, 0, 10)).toEqual([RP])
      })

      test('is read in pages', async () => {
        const rps = Array.from({ length: 5 }, (_, i) => `${ISSUER}|client-${i}`)
        await backlog.park(rps.map((rpKey, i) => parked('a', NOW + i, { rpKey })))
        expect(await backlog.dueRps(NOW + 9, 0, 2)).toEqual(rps.slice(0, 2))
        expect(await backlog.dueRps(NOW + 9, 2, 2)).toEqual(rps.slice(2, 4))
        expect(await backlog.dueRps(NOW + 9, 4, 2)).toEqual(rps.slice(4))
      })

      test('tells sizes and next due times', async () => {
        await backlog.park([
          parked('a', NOW + 5),
          parked('b', NOW + 9),
          parked('c', NOW + 7, { rpKey: ODD_RP }),
        ])
        const all = [
          { rpKey: RP, size: 2, nextDueMs: NOW + 5 },
          { rpKey: ODD_RP, size: 1, nextDueMs: NOW + 7 },
        ]
        expect(await backlog.sizes(10)).toEqual(all)
        expect(await backlog.sizes(1)).toEqual(all.slice(0, 1))
      })
    })

    test('tells the earliest deadline of an RP, however far it was put off', async () => {
      const withDeadline = (ms: number) => ({ state: parkedState({ deadlineMs: NOW + ms }) })
      await backlog.park([
        parked('a', NOW + 10, withDeadline(9_000)),
        parked('b', NOW + 30, withDeadline(7_000)),
        ...Array.from({ length: 200 }, (_, i) => parked(`more-${i}`, NOW + 20, withDeadline(9_500))),
        parked('c', NOW + 10, { rpKey: ODD_RP, ...withDeadline(8_000) }),
      ])
      expect(await backlog.earliestDeadlines([RP, `${ISSUER}|nobody`, ODD_RP])).toEqual([
        NOW + 7_000,
        undefined,
        NOW + 8_000,
      ])
      expect(await backlog.earliestDeadlines([])).toEqual([])
    })

    test('thousands at once', async () => {
      const many = Array.from({ length: 2_500 }, (_, i) => parked(`o${i}`, NOW - i))
      await backlog.park(many)
      const claimed = await backlog.claim(RP, NOW, LEASE, 1_000)
      expect(names(claimed)).toEqual(names(many.slice(-1_000).reverse()))
      await backlog.remove(many)
      expect(await backlog.sizes(10)).toEqual([])
      expect(await backlog.dueRps(Number.MAX_SAFE_INTEGER, 0, 10)).toEqual([])
    })

    test('claimers at the same time never get the same delivery, and together get all', async () => {
      const replicas = await fixture.replicas(8)
      const all = Array.from({ length: 400 }, (_, i) => parked(`o${i}`, NOW - (i % 7)))
      // Parking goes on while the first claims are made.
      const parking = backlog.park(all.slice(0, 200)).then(() => backlog.park(all.slice(200)))
      const got: string[] = []
      const claimAll = async (replica: Backlog): Promise<void> => {
        let isParked = false
        for (;;) {
          const claimed = names(await replica.claim(RP, NOW, LEASE, 7))
          got.push(...claimed)
          if (claimed.length > 0) continue
          if (isParked) return
          await parking
          isParked = true
        }
      }
      await Promise.all(replicas.map(claimAll))
      expect(got.sort()).toEqual(names(all).sort())
      expect(await backlog.dueRps(LEASE - 1, 0, 10)).toEqual([])
      expect(await backlog.dueRps(LEASE, 0, 10)).toEqual([RP])
    })
  })
}
