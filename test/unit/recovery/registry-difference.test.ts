import { expect, test } from 'vitest'
import { outcomeRecord } from '../../../src/delivery/outcome-record.ts'
import { Decoders } from '../../../src/events/decoding/decode-record.ts'
import type { Outcome } from '../../../src/events/outcome.ts'
import { type Registration, writeRegistration } from '../../../src/events/registration.ts'
import { Pipeline } from '../../../src/intake/pipeline.ts'
import { RegistryDifference } from '../../../src/recovery/registry-difference.ts'
import type { HeldRegistration } from '../../../src/registry/registry.ts'
import { MemoryLog } from '../../support/memory-log.ts'
import { MemoryRegistry } from '../../support/memory-registry.ts'
import { manualClock } from '../manual-clock.ts'
import { ISSUER, sampleOrigin, sampleRegistration } from '../sample-registration.ts'
import { servedIssuer } from '../served-issuer.ts'

const TOPIC = 'input'
const sent: Outcome = { kind: 'sent', jti: 'j', attempts: 1, status: 200 }
const timestampMs = 1_800_000_000_000

/** A log of three partitions beside a registry that holds `held`. */
async function site(held: readonly Registration[]) {
  const log = new MemoryLog({ [TOPIC]: 3 })
  // The origin of every outcome here.
  const ended = { type: 'session-terminated', sessionId: 's' }
  log.append({ topic: TOPIC, partition: 0, timestampMs, value: ended })
  const registry = new MemoryRegistry()
  await registry.apply(
    held.map((registration) => ({ kind: 'register', registration, origin: sampleOrigin() })),
  )
  const difference = new RegistryDifference({
    registry,
    clock: manualClock(timestampMs + 60_000),
    pipeline: new Pipeline(new Decoders((name = ISSUER) => name), servedIssuer()),
    reader: log,
    recovery: { all: (take) => take(held) },
    inputTopics: [TOPIC],
    outcomeTopic: TOPIC,
  })
  return {
    log,
    registry,
    difference,
    find: async () => {
      const found = await difference.find(new AbortController().signal)
      return Object.fromEntries(found.map((it) => [it.oidcSessionId, it.difference]))
    },
    register: (registration: Registration, partition: number) =>
      log.append({
        ...{ topic: TOPIC, partition, timestampMs },
        value: { type: 'backchannel-logout-registered', ...JSON.parse(writeRegistration(registration)) },
      }),
    settle: (registration: Registration, partition: number, recordedAtMs = timestampMs) => {
      const origin = sampleOrigin({ topic: TOPIC, offset: 0 })
      const cause = { origin, occurredAtMs: timestampMs, everywhere: false }
      log.appendOutgoing(outcomeRecord(TOPIC, sent, registration, cause), partition, recordedAtMs)
    },
  }
}

const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((oidcSessionId) =>
  sampleRegistration({ oidcSessionId, registeredAtMs: timestampMs }),
) as [Registration, Registration, Registration, Registration]

test('the registry and the log are compared over all partitions, in whatever order an outcome stands there', async () => {
  const { find, register, settle } = await site([b, c])
  settle(b, 0)
  register(a, 2)
  register(b, 1)
  register(d, 0)
  settle(d, 1)
  expect(await find()).toEqual({ a: 'missing', b: 'settled', c: 'unlogged' })
})

test('what is settled while the registry is looked at is not missing: its owner has taken it away', async () => {
  const { find, register, registry, settle } = await site([])
  register(a, 0)
  register(b, 1)
  const found = registry.find.bind(registry)
  registry.find = async (keys) => {
    settle(a, 2)
    return found(keys)
  }
  expect(await find()).toEqual({ b: 'missing' })
})

test('what is registered while the registry is looked at is on the log after all', async () => {
  const { find, log, register } = await site([c])
  register(a, 0)
  log.events.once('batch', () => register(c, 1))
  expect(await find()).toEqual({ a: 'missing' })
})

test('an outcome says nothing of a later login under the same ids', async () => {
  const later = { ...a, registeredAtMs: timestampMs + 1 }
  const { find, register, settle } = await site([later])
  register(a, 0)
  register(later, 0)
  settle(a, 1)
  expect(await find()).toEqual({})
})

test('an outcome behind another producer’s open transaction settles: nothing is missing', async () => {
  const { find, log, register, settle } = await site([b])
  register(a, 0)
  register(b, 1)
  settle(a, 2)
  settle(b, 2)
  log.hide({ topic: TOPIC, partition: 2 }, 0)
  expect(await find()).toEqual({ b: 'settled' })
})

test('what was reopened after its failure is owed, until an outcome that was written since', async () => {
  const reopenedAtMs = timestampMs + 1
  const { find, register, settle } = await site([{ ...a, reopenedAtMs } as HeldRegistration])
  register(a, 0)
  settle(a, 0)
  expect(await find()).toEqual({})
  settle(a, 0, reopenedAtMs + 1)
  expect(await find()).toEqual({ a: 'settled' })
})

test('a registration whose outcome has cut ids is not missing', async () => {
  const { find, log, register } = await site([])
  const [one, two] = ['1', '2'].map((last) =>
    sampleRegistration({
      sessionId: 's',
      oidcSessionId: 'o'.repeat(100) + last,
      registeredAtMs: timestampMs,
    }),
  ) as [Registration, Registration]
  register(one, 1)
  register(two, 2)
  const origin = { id: `${TOPIC}/0/0@${timestampMs}`, topic: TOPIC, partition: 0, offset: 0 }
  const cause = { origin, occurredAtMs: timestampMs, everywhere: false }
  const cut = outcomeRecord(TOPIC, sent, one, cause).shorter?.()?.shorter?.()
  if (cut !== undefined) log.appendOutgoing(cut, 1, timestampMs)
  expect(await find()).toEqual({ [two.oidcSessionId]: 'missing' })
})
