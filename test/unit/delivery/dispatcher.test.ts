import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Delivery } from '../../../src/delivery/delivery.ts'
import { Dispatcher } from '../../../src/delivery/dispatcher.ts'
import { type RelyingParty, waitingAt } from '../../../src/delivery/relying-party.ts'
import { manualClock } from '../manual-clock.ts'
import { ISSUER, sampleOrigin, sampleRegistration } from '../sample-registration.ts'
import { knownRelyingParties } from './known-relying-parties.ts'

function deliveryFor(rp: RelyingParty, isClaimed: boolean): Delivery {
  return {
    rp,
    isClaimed,
    registration: sampleRegistration({ clientId: rp.clientId }),
    coalesced: [],
    cause: { origin: sampleOrigin(), occurredAtMs: 0, everywhere: false },
    deadlineMs: 0,
    attempts: 0,
    doubtful: 0,
    lastStatus: undefined,
    lastError: undefined,
    origin: undefined,
    isHeld: false,
    wasResent: false,
    sourceRecords: [],
    host: undefined,
    isUnproven: false,
    placeIn: undefined,
    placeBefore: undefined,
    placeAfter: undefined,
    startedAtLook: 0,
  }
}

interface Bounds {
  readonly claimsPerPlace?: 1 | 2
  readonly maxInFlight: number
  readonly maxInFlightPerRp: number
  readonly maxWaiting: number
}

/** A dispatcher whose attempts run until a test ends them, unless `failsAtOnce` ends them as they start. */
function dispatcherFixture(bounds: Bounds, failsAtOnce: (delivery: Delivery) => boolean = () => false) {
  const clock = manualClock()
  const relyingParties = knownRelyingParties(clock)
  const aside: Delivery[] = []
  const shed: Delivery[] = []
  const running: Delivery[] = []
  const started: Delivery[] = []
  const roomTold: number[] = []
  const dispatcher: Dispatcher = new Dispatcher({
    claimsPerPlace: 2,
    ...bounds,
    shares: relyingParties.shares,
    freePlaces: () => bounds.maxWaiting,
    clock,
    probeAloneMs: 8_000,
    onAside: (delivery) => aside.push(delivery),
    onShed: (deliveries) => shed.push(...deliveries),
    onRoom: () => roomTold.push(started.length),
    start: (delivery) => {
      started.push(delivery)
      if (failsAtOnce(delivery)) dispatcher.release(delivery)
      else running.push(delivery)
    },
  })
  /** One that has answered before, and soon. */
  const rp = (index: number): RelyingParty => {
    const known = relyingParties.get(ISSUER, `client-${index}`)
    if (known.standing.kind === 'new') known.standing.ended(0, 5)
    return known
  }
  return {
    clock,
    dispatcher,
    aside,
    relyingParties,
    roomTold,
    running,
    shed,
    started,
    rp,
    submit(index: number, isClaimed = false): { delivery: Delivery; isTaken: boolean } {
      const delivery = deliveryFor(rp(index), isClaimed)
      return { delivery, isTaken: dispatcher.submit(delivery) }
    },
    end(index: number, didAnswer = true): void {
      const [delivery] = running.splice(index, 1)
      if (delivery !== undefined) dispatcher.release(delivery, didAnswer)
    },
  }
}

/** One that ends an attempt per millisecond, and is the only one; the share of an RP is 100. */
function quickRp() {
  const fixture = dispatcherFixture({ maxInFlight: 4, maxInFlightPerRp: 2, maxWaiting: 1_600 })
  beQuick(fixture, 1)
  return fixture
}

function beQuick({ clock, end, submit }: ReturnType<typeof dispatcherFixture>, msPerAttempt: number): void {
  for (let n = 0; n < 1_000; n++) {
    submit(0)
    clock.nowMs += msPerAttempt
    end(0)
  }
}

type Step = { kind: 'submit'; rp: number; isClaimed: boolean } | { kind: 'end'; which: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('submit' as const), rp: fc.nat(4), isClaimed: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('end' as const), which: fc.nat(20) }) },
)

const bounds: fc.Arbitrary<Bounds> = fc.record({
  maxInFlight: fc.integer({ min: 1, max: 8 }),
  maxInFlightPerRp: fc.integer({ min: 1, max: 4 }),
  maxWaiting: fc.integer({ min: 1, max: 64 }),
})

/** Plays the steps, ends what still runs until nothing does, and checks after every step. */
function play(
  given: Bounds,
  steps: readonly Step[],
  check: (fixture: ReturnType<typeof dispatcherFixture>) => void,
) {
  const fixture = dispatcherFixture(given, ({ attempts }) => attempts > 0)
  const taken: Delivery[] = []
  for (const it of steps) {
    if (it.kind === 'submit') {
      const { delivery, isTaken } = fixture.submit(it.rp, it.isClaimed)
      if (isTaken) taken.push(delivery)
    } else if (fixture.running.length > 0) fixture.end(it.which % fixture.running.length)
    check(fixture)
  }
  return { ...fixture, taken }
}

describe('dispatcher', () => {
  test('keeps every bound, whatever comes and ends in whatever order', () => {
    fc.assert(
      fc.property(bounds, fc.array(step, { maxLength: 120 }), (given, steps) => {
        play(given, steps, ({ dispatcher, running, relyingParties }) => {
          expect(running.length).toBeLessThanOrEqual(given.maxInFlight)
          expect(dispatcher.inFlight).toBe(running.length)
          let waiting = 0
          for (const rp of relyingParties) {
            const mine = running.filter((delivery) => delivery.rp === rp).length
            expect(mine).toBeLessThanOrEqual(given.maxInFlightPerRp)
            expect(rp.inFlight).toBe(mine)
            waiting += waitingAt(rp)
          }
          expect(dispatcher.waiting).toBe(waiting)
        })
      }),
    )
  })

  test('further attempts leave a quarter of the room to first ones', () => {
    fc.assert(
      fc.property(bounds, fc.array(step, { maxLength: 120 }), (given, steps) => {
        play(given, steps, ({ running }) => {
          const retries = running.filter(({ isClaimed }) => isClaimed).length
          expect(retries).toBeLessThanOrEqual(Math.max(Math.floor(given.maxInFlight * 0.75), 1))
        })
      }),
    )
  })

  test('nobody who may start waits', () => {
    fc.assert(
      fc.property(bounds, fc.array(step, { maxLength: 120 }), (given, steps) => {
        play(given, steps, ({ dispatcher, running, relyingParties }) => {
          if (dispatcher.inFlight >= given.maxInFlight) return
          const retries = running.filter(({ isClaimed }) => isClaimed).length
          const mayRetry = retries < Math.max(Math.floor(given.maxInFlight * 0.75), 1)
          for (const rp of relyingParties) {
            if (rp.inFlight >= given.maxInFlightPerRp) continue
            expect(rp.waitingFirst.size).toBe(0)
            if (mayRetry) expect(rp.waitingRetry.size).toBe(0)
          }
        })
      }),
    )
  })

  test('everything that was taken is started once, and in order at each RP', () => {
    fc.assert(
      fc.property(bounds, fc.array(step, { maxLength: 120 }), (given, steps) => {
        const { taken, started, running, end, dispatcher } = play(given, steps, () => undefined)
        while (running.length > 0) end(0)
        expect(dispatcher.waiting).toBe(0)
        expect(new Set(started)).toEqual(new Set(taken))
        expect(started).toHaveLength(taken.length)
        for (const isClaimed of [true, false]) {
          for (const rp of new Set(taken.map((delivery) => delivery.rp))) {
            const ofRp = (list: Delivery[]) => list.filter((it) => it.rp === rp && it.isClaimed === isClaimed)
            expect(ofRp(started)).toEqual(ofRp(taken))
          }
        }
      }),
    )
  })

  test('stopping hands back everything that still waits, and takes nothing more', () => {
    fc.assert(
      fc.property(bounds, fc.array(step, { maxLength: 120 }), (given, steps) => {
        const { dispatcher, relyingParties, taken, started, running, submit, end, rp } = play(
          given,
          steps,
          () => undefined,
        )
        const left = dispatcher.stop(relyingParties)
        expect(new Set([...started, ...left])).toEqual(new Set(taken))
        expect(started.length + left.length).toBe(taken.length)
        const before = started.length
        while (running.length > 0) end(0)
        expect(submit(0).isTaken).toBe(false)
        expect(dispatcher.roomForClaims(rp(0))).toBe(0)
        expect([started.length, dispatcher.inFlight, dispatcher.waiting]).toEqual([before, 0, 0])
      }),
    )
  })

  test('what there is room to claim for is taken', () => {
    fc.assert(
      fc.property(bounds, fc.array(step, { maxLength: 120 }), (given, steps) => {
        const { dispatcher, rp, submit } = play(given, steps, () => undefined)
        const room = dispatcher.roomForClaims(rp(0))
        for (let n = 0; n < room; n++) expect(submit(0, true).isTaken).toBe(true)
      }),
    )
  })

  test('an RP whose parked deliveries found no room is told of once it has room again', () => {
    const { dispatcher, rp, submit, end, roomTold } = dispatcherFixture({
      maxInFlight: 4,
      maxInFlightPerRp: 2,
      maxWaiting: 400,
    })
    for (let n = 0; n < 4; n++) submit(0, true)
    expect(dispatcher.roomForClaims(rp(0))).toBe(0)
    rp(0).hasDueBacklog = true
    for (let n = 0; n < 4; n++) end(0)
    expect(roomTold).toHaveLength(1)
    expect(rp(0).hasDueBacklog).toBe(false)
  })

  test('an RP that has not shown how quick it is never has the whole waiting room', () => {
    const { submit, running, rp } = dispatcherFixture({
      maxInFlight: 4,
      maxInFlightPerRp: 2,
      maxWaiting: 400,
    })
    let taken = 0
    while (taken < 1_000 && submit(0).isTaken) taken++
    expect(running).toHaveLength(2)
    expect(waitingAt(rp(0))).toBeLessThanOrEqual(100)
    expect(submit(1).isTaken).toBe(true)
  })

  test('what comes for the first time cannot keep out what is parked', () => {
    const { dispatcher, rp, submit } = quickRp()
    while (submit(0).isTaken);
    const room = dispatcher.roomForClaims(rp(0))
    expect(room).toBeGreaterThan(0)
    for (let n = 0; n < room; n++) expect(submit(0, true).isTaken).toBe(true)
  })

  test('a mass logout at one quick RP is not parked: it may have more waiting than its share', () => {
    const { dispatcher, rp, submit } = quickRp()
    let taken = 0
    while (taken < 1_000 && submit(0).isTaken) taken++
    expect(waitingAt(rp(0))).toBe(500)
    dispatcher.look()
    expect(waitingAt(rp(0))).toBe(500)
  })

  test('intake does not pause for a mass logout at one RP, however quick it is, while others are told too', () => {
    const fixture = quickRp()
    const { clock, end, rp, submit } = fixture
    submit(1)
    end(0)
    beQuick(fixture, 0.5)
    while (submit(0).isTaken);
    expect(waitingAt(rp(0))).toBe(800)
    // A minute later nobody else has come.
    while (waitingAt(rp(0)) > 0) end(0)
    clock.nowMs += 60_000
    for (let n = 0; n < 4; n++) beQuick(fixture, 0.5)
    while (submit(0).isTaken);
    expect(waitingAt(rp(0))).toBeGreaterThan(900)
  })

  test('of what is parked for a quick RP more is claimed at a time', () => {
    const { dispatcher, rp, submit } = quickRp()
    expect(dispatcher.roomForClaims(rp(0))).toBe(250)
    for (let n = 0; n < 250; n++) expect(submit(0, true).isTaken).toBe(true)
    expect(dispatcher.roomForClaims(rp(0))).toBe(0)
  })

  test('a quick RP that hangs gives back its burst credit, though nothing more comes for it', () => {
    const { clock, dispatcher, rp, submit, shed } = quickRp()
    for (let n = 0; n < 300; n++) submit(0)
    expect(shed).toEqual([])
    clock.nowMs += 501
    dispatcher.look()
    expect(shed).toHaveLength(300 - 2)
    expect([waitingAt(rp(0)), dispatcher.waiting]).toEqual([0, 0])
  })

  test('a quick RP that becomes slow gives back its burst credit', () => {
    const { clock, dispatcher, end, submit, shed } = quickRp()
    for (let n = 0; n < 300; n++) submit(0)
    for (let n = 0; n < 4; n++) {
      clock.nowMs += 400
      end(0)
      dispatcher.look()
    }
    expect(shed.length).toBeGreaterThan(250)
    for (let n = 0; n < 300; n++) submit(0)
    expect(dispatcher.waiting).toBe(100)
  })

  test.each([1, 2] as const)(
    '%i are claimed for each place when a lease covers so many attempts',
    (claimsPerPlace) => {
      const { dispatcher, rp } = dispatcherFixture({
        claimsPerPlace,
        maxInFlight: 4,
        maxInFlightPerRp: 4,
        maxWaiting: 400,
      })
      expect(dispatcher.roomForClaims(rp(0))).toBe(4 * claimsPerPlace)
    },
  )

  test('is probed first whose cool-down ended first, and the others are told of when there is a place', () => {
    const { clock, dispatcher, end, roomTold, rp, submit } = dispatcherFixture({
      maxInFlight: 16,
      maxInFlightPerRp: 8,
      maxWaiting: 400,
    })
    const order = [3, 1, 4, 0, 2]
    clock.chance = 0
    for (const index of order) {
      for (let n = 0; n < 5; n++) submit(index)
      for (let n = 0; n < 5; n++) {
        rp(index).breaker.failed()
        end(0)
      }
      clock.nowMs += 10
    }
    const rps = [0, 1, 2, 3, 4].map(rp)
    expect(dispatcher.nextProbes(rps)).toEqual([])
    clock.nowMs += 1_000
    expect(dispatcher.nextProbes(rps)).toEqual([rp(3), rp(1)])
    expect([submit(3).isTaken, submit(1).isTaken, submit(4).isTaken]).toEqual([true, true, false])
    expect(dispatcher.nextProbes(rps)).toEqual([])
    // They hang: their places go to the next ones, and they are not probed again while they are.
    for (let looks = 1; looks < 5; looks++) dispatcher.look()
    expect(roomTold).toHaveLength(0)
    dispatcher.look()
    expect(roomTold).toHaveLength(1)
    expect(dispatcher.nextProbes(rps)).toEqual([rp(4), rp(0)])
  })

  test('behind a host that hangs is probed by half of the places, however many RPs are there', () => {
    const { clock, dispatcher, end, rp, submit } = dispatcherFixture({
      maxInFlight: 32,
      maxInFlightPerRp: 8,
      maxWaiting: 400,
    })
    const rps = Array.from({ length: 10 }, (_, index) => index)
    clock.chance = 0
    for (const index of rps) submit(index)
    for (let looks = 0; looks < 5; looks++) dispatcher.look()
    for (const index of rps) {
      for (let n = 0; n < 5; n++) rp(index).breaker.failed()
      rp(index).probeTimeout.hung()
      end(0, false)
    }
    clock.nowMs += 1_000
    expect(rps.filter((index) => submit(index).isTaken)).toHaveLength(2)
  })

  test('one not tried yet is asked although more probes are under way behind its host than an RP may have attempts', () => {
    const { clock, dispatcher, end, rp, submit } = dispatcherFixture({
      maxInFlight: 32,
      maxInFlightPerRp: 8,
      maxWaiting: 400,
    })
    const rps = Array.from({ length: 10 }, (_, index) => index)
    clock.chance = 0
    for (const index of rps) submit(index)
    for (let looks = 0; looks < 5; looks++) dispatcher.look()
    for (const index of rps) {
      for (let n = 0; n < 5; n++) rp(index).breaker.failed()
      rp(index).probeTimeout.hung()
      end(0, false)
    }
    clock.nowMs += 1_000
    for (let looks = 0; looks < 50; looks++) {
      dispatcher.look()
      for (const index of rps) submit(index)
    }
    expect(dispatcher.taken.probes).toBe(10)
    expect(submit(10).isTaken).toBe(true)
    for (let left = 11; left > 0; left--) end(0, false)
    expect(dispatcher.taken).toMatchObject({ probes: 0, atOrigins: 0 })
  })

  test('claims under way do not count on the same places', () => {
    const { dispatcher, relyingParties } = dispatcherFixture({
      maxInFlight: 16,
      maxInFlightPerRp: 8,
      maxWaiting: 400,
    })
    const [one, other] = ['one', 'other'].map((name) => relyingParties.get(ISSUER, name))
    if (one === undefined || other === undefined) throw new Error('there are two')
    const kept = dispatcher.keepForClaim(one, dispatcher.roomForClaims(one))
    expect([kept, dispatcher.roomForClaims(other)]).toEqual([8, 0])
    dispatcher.giveBackClaim(one, kept)
    expect(dispatcher.roomForClaims(other)).toBe(8)
  })

  test('slow RPs start a few attempts with each look, and are told when they may start more', () => {
    const { dispatcher, roomTold, rp, submit } = dispatcherFixture({
      maxInFlight: 16,
      maxInFlightPerRp: 8,
      maxWaiting: 400,
    })
    const taken = () => [submit(0).isTaken, submit(0, true).isTaken, submit(0, true).isTaken]
    for (let n = 0; n < 9; n++) rp(0).standing.ended(9, 5)
    expect(taken()).toEqual([true, true, false])
    expect(dispatcher.roomForClaims(rp(0))).toBe(0)
    expect(roomTold).toHaveLength(0)
    dispatcher.look()
    expect(roomTold).toHaveLength(1)
    expect(dispatcher.roomForClaims(rp(0))).toBe(2)
    // Nobody was refused: nobody is told.
    dispatcher.look()
    expect(roomTold).toHaveLength(1)
  })

  test('RPs take turns: one with many waiting does not stand before one with a single one', () => {
    const { submit, end, started } = dispatcherFixture({
      maxInFlight: 1,
      maxInFlightPerRp: 1,
      maxWaiting: 1_600,
    })
    for (let n = 0; n < 50; n++) submit(0)
    submit(1)
    submit(2)
    for (let n = 0; n < 3; n++) end(0)
    expect(started.map(({ rp }) => rp.clientId)).toEqual(expect.arrayContaining(['client-1', 'client-2']))
  })

  test('at one RP first and further attempts take turns', () => {
    const { submit, end, started } = dispatcherFixture({
      maxInFlight: 8,
      maxInFlightPerRp: 1,
      maxWaiting: 1_600,
    })
    for (let n = 0; n < 4; n++) submit(0, true)
    for (let n = 0; n < 4; n++) submit(0, false)
    for (let n = 0; n < 7; n++) end(0)
    const kinds = started.map(({ isClaimed }) => (isClaimed ? 'further' : 'first'))
    expect(kinds.slice(1, 7)).toEqual(['first', 'further', 'first', 'further', 'first', 'further'])
  })

  test('attempts that end while they start neither overflow the stack nor stay counted', () => {
    const { dispatcher, submit, end, started } = dispatcherFixture(
      { maxInFlight: 1, maxInFlightPerRp: 1, maxWaiting: 1_000_000 },
      () => started.length > 1,
    )
    for (let n = 0; n < 20_000; n++) submit(n % 3)
    end(0)
    expect(started).toHaveLength(20_000)
    expect([dispatcher.inFlight, dispatcher.waiting]).toEqual([0, 0])
  })
})
