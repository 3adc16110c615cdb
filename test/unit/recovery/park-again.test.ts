import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { ParkedDelivery } from '../../../src/delivery/backlog.ts'
import type { TriggerStep } from '../../../src/intake/trigger-step.ts'
import { ParkAgain } from '../../../src/recovery/park-again.ts'
import { ParkOwed } from '../../../src/recovery/park-owed.ts'
import type { Ending } from '../../../src/registry/ending.ts'
import type { BrokenRegistration } from '../../../src/registry/registry.ts'
import { MemoryRegistry } from '../../support/memory-registry.ts'
import { manualClock } from '../manual-clock.ts'
import { ISSUER, sampleEnding, sampleOrigin, sampleRegistration } from '../sample-registration.ts'

/* Running past triggers again parks what they are still owed. */

const HOUR = 3_600_000

async function site() {
  const clock = manualClock()
  const registry = new MemoryRegistry()
  await registry.apply([{ kind: 'register', registration: sampleRegistration(), origin: sampleOrigin() }])
  const due: ParkedDelivery[] = []
  const refused: BrokenRegistration[] = []
  /** RPs whose backlog key holds foreign data. */
  const foreign = new Set<string>()
  const outcomes = Promise.withResolvers<void>()
  const parkAgain = new ParkAgain({
    clock,
    admission: { abandon: () => undefined, refuse: (broken) => void refused.push(broken) },
    deadlineMs: HOUR,
    parkOwed: new ParkOwed({
      clock,
      backlog: {
        makeDue: async (parked) => {
          due.push(...parked)
          return foreign
        },
      },
    }),
    settlement: { idle: () => outcomes.promise },
  })
  return { clock, due, foreign, outcomes, parkAgain, refused, registry }
}

const endSession = (ending: Ending): TriggerStep => ({
  kind: 'end-session',
  issuer: ISSUER,
  sessionId: sampleRegistration().sessionId,
  ending,
})

test('what is still owed is due now, and no longer than its trigger says', async () => {
  const { clock, due, parkAgain, registry } = await site()
  const deadlineMs = clock.nowMs + 1_000
  await parkAgain.run([endSession(sampleEnding({ deadlineMs }))], registry)
  expect(due).toMatchObject([
    { dueMs: clock.nowMs, oidcSessionId: 'oidc-1', state: { attempts: 0, deadlineMs } },
  ])
})

test('an ending that does not say how long it is tried has the whole time', async () => {
  const { clock, due, parkAgain, registry } = await site()
  const { deadlineMs: _, ...ending } = sampleEnding()
  await parkAgain.run([endSession(ending)], registry)
  expect(due).toMatchObject([{ state: { deadlineMs: clock.nowMs + HOUR } }])
})

const broken = { issuer: ISSUER, sessionId: 's', oidcSessionId: 'o', reason: 'is not JSON', partial: {} }
const brokenGroup = {
  relation: 'fresh',
  ending: sampleEnding(),
  registrations: [],
  broken: [broken],
} as const

test('what cannot be read is parked as well: whoever claims it ends it', async () => {
  const { due, parkAgain, refused, registry } = await site()
  registry.apply = async () => [{ kind: 'owed', groups: [brokenGroup] }]
  await parkAgain.run([endSession(sampleEnding())], registry)
  expect(due).toMatchObject([{ rpKey: `${ISSUER}|`, sessionId: 's', oidcSessionId: 'o' }])
  expect(refused).toEqual([])
})

test('it waits for the outcomes of what cannot be parked: nobody would run it again', async () => {
  const { foreign, outcomes, parkAgain, refused, registry } = await site()
  foreign.add(`${ISSUER}|`)
  registry.apply = async () => [{ kind: 'owed', groups: [brokenGroup] }]
  let isOver = false
  const run = parkAgain.run([endSession(sampleEnding())], registry).then(() => {
    isOver = true
  })
  await setImmediate()
  expect([refused, isOver]).toEqual([[broken], false])
  outcomes.resolve()
  await run
})
