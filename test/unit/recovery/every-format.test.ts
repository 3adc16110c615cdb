import { expect, test } from 'vitest'
import { Decoders, registeredDecoders } from '../../../src/events/decoding/decode-record.ts'
import type { Decoder } from '../../../src/events/decoding/decoder.ts'
import { writeRegistration } from '../../../src/events/registration.ts'
import { Pipeline } from '../../../src/intake/pipeline.ts'
import type { TriggerStep } from '../../../src/intake/trigger-step.ts'
import { lookUpOrigins } from '../../../src/recovery/origin-lookup.ts'
import { originalRecord } from '../../../src/recovery/original-record.ts'
import { OutageBudget } from '../../../src/recovery/outage-budget.ts'
import { Rebuild } from '../../../src/recovery/rebuild.ts'
import { RegisteredAddresses } from '../../../src/recovery/registered-addresses.ts'
import { RegistryDifference } from '../../../src/recovery/registry-difference.ts'
import { ReplayTally } from '../../../src/recovery/replay-tally.ts'
import { ReplayTriggers } from '../../../src/recovery/replay-triggers.ts'
import { StoreFromLog } from '../../../src/recovery/store-from-log.ts'
import { MemoryEpochStore } from '../../support/memory-epoch-store.ts'
import { MemoryLog } from '../../support/memory-log.ts'
import { MemoryRegistry } from '../../support/memory-registry.ts'
import { namedTopics } from '../../support/named-topics.ts'
import { FOREIGN_TYPE, foreignFormat, foreignRecord, saying } from '../events/foreign-format.ts'
import { manualClock } from '../manual-clock.ts'
import { ISSUER, sampleRegistration } from '../sample-registration.ts'
import { servedIssuer } from '../served-issuer.ts'

const INPUT = 'input'
const OUTCOMES = 'outcomes'
const HOUR = 3_600_000
const { signal } = new AbortController()

const names = ['alive', 'ended', 'out']
const registrations = names.map((name) =>
  sampleRegistration({
    sessionId: name,
    oidcSessionId: name,
    userId: name,
    registeredAtMs: 1_799_999_000_000,
  }),
)
const WRITTEN_MS = manualClock().nowMs - 1_000
const triggersAt = ['', '#1'].map((part) => `${INPUT}/0/1@${WRITTEN_MS}${part}`)

/** A log of two records in a foreign format: three registrations, and the ends of two of them. */
function site() {
  const clock = manualClock()
  const log = new MemoryLog({ [INPUT]: 1, [OUTCOMES]: 1 })
  const append = (...value: readonly unknown[]) =>
    log.append({
      ...{ topic: INPUT, partition: 0, value },
      headers: { ce_type: FOREIGN_TYPE },
      timestampMs: WRITTEN_MS,
    })
  append(
    ...registrations.map((it) =>
      saying('backchannel-logout-registered', JSON.parse(writeRegistration(it)) as Record<string, unknown>),
    ),
  )
  append(
    saying('session-terminated', { sessionId: 'ended' }),
    saying('user-signed-out', { userId: 'out' }),
    saying('session-terminated', { sessionId: 'of another', issuer: 'https://other.example' }),
    saying('client-configured', { clientId: 'shop', state: 'paused' }),
  )
  log.commit({ topic: INPUT, partition: 0 }, 2)
  const decoders = new Decoders((name = ISSUER) => name, [...registeredDecoders, foreignFormat])
  const pipeline = new Pipeline(decoders, servedIssuer())
  return { clock, log, pipeline, registry: new MemoryRegistry() }
}

const idsOf = (steps: readonly TriggerStep[]) => steps.map(({ ending }) => ending.origin.id)

/** A rebuild of an empty store; returns the triggers that it ran again. */
async function rebuilt({ clock, log, pipeline, registry }: ReturnType<typeof site>): Promise<TriggerStep[]> {
  const again: TriggerStep[] = []
  const store = new StoreFromLog({
    clock,
    pipeline,
    registry,
    recovery: registry,
    sessionLifetimeMs: 10 * HOUR,
    tombstoneMs: HOUR,
    runAgain: async (steps) => void again.push(...steps),
  })
  const rebuild = new Rebuild({
    clock,
    store,
    epoch: new MemoryEpochStore(() => clock.nowMs),
    formats: pipeline.decoders,
    groupId: 'g',
    inputs: namedTopics(INPUT),
    onDisbelieved: () => undefined,
    onForgotten: () => undefined,
    onLacked: () => undefined,
    onProgress: () => undefined,
    outcomeTopic: OUTCOMES,
    own: () => [],
    reader: log,
    startFrom: 'earliest',
  })
  await rebuild.ensure(signal)
  return again
}

function replayed({ clock, pipeline }: ReturnType<typeof site>, batchTriggers: number) {
  const tally = new ReplayTally()
  const asked: (readonly string[])[] = []
  const triggers = new ReplayTriggers({
    tally,
    clock,
    pipeline,
    batchTriggers,
    filter: {},
    outageBudget: new OutageBudget(),
  })
  const to = {
    ask: async (steps: readonly TriggerStep[]) => {
      asked.push(idsOf(steps))
      return []
    },
    handOver: async () => undefined,
  }
  return { asked, tally, to, triggers }
}

test('what a further format says is not dropped when Redis is lost', async () => {
  const it = site()
  expect(idsOf(await rebuilt(it))).toEqual(triggersAt)
  expect(await it.registry.find(registrations)).toEqual(registrations)
  expect(it.registry.configured).toMatchObject([{ clientId: 'shop', state: 'paused' }])
})

test('a replay runs it again, as many at a time as it is asked to', async () => {
  const it = site()
  const { asked, tally, to, triggers } = replayed(it, 1)
  await it.log.read(await it.log.bounds([INPUT]), ({ records }) => triggers.take(records, to), signal)
  expect(asked).toEqual(triggersAt.map((id) => [id]))
  expect(tally.counts).toMatchObject({ read: 3, matching: 3, skipped: 1 })
})

test('a reconcile runs each trigger of a rebuild once, from now on', async () => {
  const it = site()
  const { asked, tally, to, triggers } = replayed(it, 64)
  await triggers.runAgain(await rebuilt(it), to)
  expect(asked).toEqual([triggersAt])
  expect(tally.counts).toMatchObject({ read: 2, matching: 2, skipped: 0 })
})

test('a comparison finds it missing, and registers it', async () => {
  const { clock, log, pipeline, registry } = site()
  const difference = new RegistryDifference({
    ...{ clock, pipeline, registry },
    inputTopics: [INPUT],
    outcomeTopic: OUTCOMES,
    reader: log,
    recovery: { all: async () => undefined },
  })
  const found = await difference.find(signal)
  expect(found.map(({ oidcSessionId, difference: kind }) => [oidcSessionId, kind])).toEqual(
    names.map((name) => [name, 'missing']),
  )
  await difference.repair(found, signal)
  expect(await registry.find(registrations)).toEqual(registrations)
  expect(registry.configured).toMatchObject([{ clientId: 'shop', state: 'paused' }])
})

test('outcomes may go back to it, and addresses are found in it', async () => {
  const { clock, log, pipeline, registry } = site()
  const origin = { topic: INPUT, partition: 0, offset: 1 }
  expect((await lookUpOrigins(log, [INPUT], pipeline.decoders, [origin], signal))(origin)).toBe(true)
  const without = new Decoders((name = ISSUER) => name)
  expect((await lookUpOrigins(log, [INPUT], without, [origin], signal))(origin)).toBe(false)
  const recovery = { all: async () => undefined }
  const addresses = new RegisteredAddresses({
    ...{ clock, pipeline, recovery, registry },
    inputTopics: [INPUT],
    reader: log,
  })
  const [registered] = registrations as [(typeof registrations)[number]]
  const moved = { ...registered, backchannelLogoutUri: 'https://elsewhere.example/' }
  const isRegistered = await addresses.lookUp([registered, moved], signal)
  expect([registered, moved].map(isRegistered)).toEqual([true, false])
})

test('a dead letter is read by the formats of the topic that it came from, and is left while a part cannot be read', async () => {
  const ofInput: Decoder = {
    ...foreignFormat,
    decode: (record, ...rest) => (record.topic === INPUT ? foreignFormat.decode(record, ...rest) : undefined),
  }
  const decoders = new Decoders((name = ISSUER) => name, [...registeredDecoders, ofInput])
  const fateOf = (...said: readonly unknown[]) => {
    const record = foreignRecord(...said)
    const from = { 'dead-letter-topic': INPUT, 'dead-letter-partition': '0', 'dead-letter-timestamp': '1' }
    const letter = { ...record, topic: 'dead', headers: { ...record.headers, ...from } }
    return originalRecord(letter, [INPUT], decoders, Date.now())
  }
  const nothing = { kind: 'skipped', reason: 'unknown-type' }
  const whole = saying('session-terminated', { sessionId: 'ended' })
  expect(await fateOf(nothing, whole)).toMatchObject({ kind: 'again', record: { topic: INPUT } })
  expect(await fateOf(nothing, nothing)).toMatchObject({
    kind: 'left',
    why: expect.stringContaining('skipped'),
  })
  expect(await fateOf(whole, saying('session-terminated', {}))).toMatchObject({
    kind: 'left',
    why: expect.stringContaining('2 of 2: sessionId'),
  })
})
