import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Registration } from '../../src/events/registration.ts'
import { RedisRecoveryRegistry } from '../../src/redis/redis-recovery-registry.ts'
import { RedisRegistry } from '../../src/redis/redis-registry.ts'
import type { RegistryAnswer, RegistryStep } from '../../src/registry/registry.ts'
import { ISSUER, sampleEnding, sampleOrigin, sampleRegistration } from '../unit/sample-registration.ts'
import { RedisFixture } from './redis-fixture.ts'

const REGISTERED_MS = 1_700_000_000_000
const ending = sampleEnding({ occurredAtMs: REGISTERED_MS + 1_000, untilMs: REGISTERED_MS + 6_000 })
const another = { ...ending, origin: sampleOrigin({ id: 'another', offset: 99 }) }
const registration = sampleRegistration({ registeredAtMs: REGISTERED_MS })
const { issuer, sessionId, oidcSessionId } = registration
const key = { issuer, sessionId, oidcSessionId, registeredAtMs: REGISTERED_MS }

let fixture: RedisFixture
let shadow: RedisRegistry
let live: RedisRegistry
beforeEach(async () => {
  fixture = await RedisFixture.create()
  const { keys, redis } = fixture
  const options = { keys, redis, sessionLifetimeMs: 86_400_000, tombstoneMs: 3_600_000 }
  shadow = new RedisRegistry({ ...options, mode: 'shadow' })
  live = new RedisRegistry(options)
})
afterEach(() => fixture[Symbol.asyncDispose]())

const register = (it: Registration): RegistryStep => ({
  kind: 'register',
  registration: it,
  origin: sampleOrigin({ id: 'registration' }),
})
const end = (by = ending): RegistryStep => ({ kind: 'end-session', issuer: ISSUER, sessionId, ending: by })
const owedBy = (answer: RegistryAnswer | undefined) =>
  answer?.kind === 'owed' ? answer.groups.flatMap(({ registrations }) => registrations) : []
const stored = async () =>
  String(await fixture.redis.command('HGET', fixture.keys.session(issuer, sessionId), oidcSessionId))

async function settled(settle: () => Promise<void>): Promise<void> {
  const [, answer] = await shadow.apply([register(registration), end()])
  expect(owedBy(answer)).toHaveLength(1)
  await settle()
  // What remembers the ending is gone sooner or later; the registration is not.
  await fixture.redis.command('DEL', fixture.keys.ended(issuer, sessionId))
}

describe.each([
  ['settled', () => shadow.settle([key])],
  ['settled twice', () => shadow.settle([key]).then(() => shadow.settle([key]))],
  ['over by the log', () => shadow.forget([{ ...key, recordedAtMs: Date.now() }])],
])('a registration that is %s in shadow mode', (_, settle) => {
  test('stays as it was, and is owed in neither mode, by no trigger', async () => {
    await shadow.apply([register(registration)])
    const before = await stored()
    await settled(settle)
    expect(await stored()).toBe(`${before.slice(0, -1)},"shadowed":true}`)
    for (const registry of [shadow, live]) {
      expect(owedBy((await registry.apply([end(another)]))[0])).toEqual([])
      expect(await registry.find([key])).toEqual([{ ...registration, isShadowed: true }])
    }
    const everywhere = { ...another, everywhere: true }
    const { userId } = registration
    const [answer] = await live.apply([{ kind: 'end-user', issuer: ISSUER, userId, ending: everywhere }])
    expect(owedBy(answer)).toEqual([])
    const recovery = new RedisRecoveryRegistry({ ...fixture, sessionLifetimeMs: 86_400_000 })
    const step = { kind: 'end-session' as const, issuer: ISSUER, sessionId, ending: another }
    expect((await recovery.owed([step]))[0]).toEqual([])
  })

  test('is not brought back by its record, and is by a later login under the same ids', async () => {
    await settled(settle)
    expect(await live.apply([register(registration)])).toEqual([{ kind: 'already-settled' }])
    const later = { ...registration, registeredAtMs: REGISTERED_MS + 60_000 }
    expect(await live.apply([register(later)])).toEqual([{ kind: 'registered', isRepeated: true }])
    const by = { ...another, untilMs: REGISTERED_MS + 120_000 }
    expect(owedBy((await live.apply([end(by)]))[0])).toEqual([later])
    await live.settle([{ ...key, registeredAtMs: later.registeredAtMs }])
    expect(await live.find([key])).toEqual([undefined])
  })
})

test.each(['', '{}', '[]', 'nothing', '{"a":1'])(
  'what is no registration, such as %j, stays as it is',
  async (json) => {
    await fixture.redis.command('HSET', fixture.keys.session(issuer, sessionId), oidcSessionId, json)
    await shadow.settle([key])
    expect(await stored()).toBe(json)
  },
)
