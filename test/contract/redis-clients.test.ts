import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type ClientChange, clientStates } from '../../src/events/client.ts'
import { RedisClients } from '../../src/redis/redis-clients.ts'
import type { RedisCommand } from '../../src/redis/redis-connection.ts'
import { RedisRegistry } from '../../src/redis/redis-registry.ts'
import { RedisRpSettings } from '../../src/redis/redis-rp-settings.ts'
import { mergeHistories, readHistory, writeHistory } from '../../src/registry/client-history.ts'
import { ISSUER, sampleOrigin } from '../unit/sample-registration.ts'
import { RedisFixture } from './redis-fixture.ts'

const rp = { issuer: ISSUER, clientId: 'shop' }
const RP_KEY = `${ISSUER}|shop`
const LIFETIME = 60_000

let fixture: RedisFixture
let registry: RedisRegistry
let offset = 0
beforeEach(async () => {
  fixture = await RedisFixture.create()
  registry = new RedisRegistry({ ...fixture, sessionLifetimeMs: LIFETIME, tombstoneMs: 1_000 })
})
afterEach(() => fixture[Symbol.asyncDispose]())

const command = (...it: RedisCommand) => fixture.redis.command(...it)
const clients = () => new RedisClients({ ...fixture, sessionLifetimeMs: LIFETIME })
const key = () => fixture.keys.client(rp.issuer, rp.clientId)
const step = (change: ClientChange, at = ++offset) =>
  ({ kind: 'configure-client', change, origin: sampleOrigin({ offset: at }) }) as const
const configured = (atMs: number, more: Partial<Extract<ClientChange, { settings: unknown }>> = {}) =>
  step({ type: 'client-configured', ...rp, atMs, settings: {}, ...more })
const removed = (atMs: number) => step({ type: 'client-removed', ...rp, atMs })

async function settings() {
  const invalid: string[] = []
  const store = new RedisRpSettings({ ...fixture, onInvalid: (_, problem) => invalid.push(problem) })
  const [found] = await store.load([rp])
  expect(invalid).toEqual([])
  return found
}

describe('what records say of a client', () => {
  test('is what its settings are, each as the latest record that names it says, in any order', async () => {
    const steps = [
      configured(30, { settings: { alg: 'ES256', sessionRequired: true } }),
      configured(10, {
        settings: { alg: 'PS256', claims: 'sid', backchannelLogoutUri: 'https://a.example/' },
      }),
      configured(20, { settings: { claims: 'sub' } }),
    ]
    expect(await registry.apply(steps)).toEqual(steps.map(() => ({ kind: 'configured' })))
    const expected = {
      alg: 'ES256',
      claims: 'sub',
      sessionRequired: true,
      backchannelLogoutUri: 'https://a.example/',
    }
    expect(await settings()).toEqual(expected)
    await registry.apply(steps.toReversed())
    expect(await settings()).toEqual(expected)
  })

  test('at one time is as the later record says, also when the earlier one comes again', async () => {
    const [first, second] = [
      configured(10, { settings: { alg: 'ES256' } }),
      configured(10, { settings: { alg: 'PS256' } }),
    ]
    await registry.apply([first, second, first])
    expect(await settings()).toEqual({ alg: 'PS256' })
  })

  test('replaces what somebody wrote, and leaves what it does not name', async () => {
    await command('HSET', key(), 'alg', 'ES256', 'claims', 'sid', 'note', 'ours')
    const record = configured(10, { settings: { alg: 'PS256' } })
    await registry.apply([record])
    expect(await settings()).toEqual({ alg: 'PS256', claims: 'sid' })
    // What is written over it stays until another record names it.
    await command('HSET', key(), 'alg', 'RS256')
    await registry.apply([record])
    expect(await settings()).toEqual({ alg: 'RS256', claims: 'sid' })
    await registry.apply([removed(11)])
    expect(await settings()).toEqual({ claims: 'sid' })
    expect(await command('HGET', key(), 'note')).toBe('ours')
    expect(await command('PTTL', key())).toBe(-1)
  })

  test('is gone when it is removed, whatever comes late, and comes back with a later record', async () => {
    await registry.apply([configured(10, { settings: { alg: 'ES256' }, state: 'paused' }), removed(20)])
    await registry.apply([configured(15, { settings: { claims: 'sid' }, state: 'retired' })])
    expect(await settings()).toEqual({})
    expect(writeHistory((await clients().read(undefined))?.histories.get(RP_KEY) ?? [])).toBe(
      '10 paused 20 active',
    )
    expect(await command('PTTL', key())).toBeGreaterThan(0)
    await registry.apply([configured(30, { settings: { claims: 'sid' } })])
    expect(await settings()).toEqual({ claims: 'sid' })
    expect(await command('PTTL', key())).toBe(-1)
  })

  test('about the state is told to every replica, once', async () => {
    const store = clients()
    expect(await store.read(undefined)).toBeUndefined()
    await registry.apply([configured(10, { state: 'active' })])
    expect(await store.read(undefined)).toBeUndefined()
    await registry.apply([configured(30, { state: 'active' }), configured(20, { state: 'paused' })])
    const found = await store.read(undefined)
    expect(found?.histories).toEqual(new Map([[RP_KEY, readHistory('10 active 20 paused 30 active')]]))
    expect(await store.read(found?.version)).toBeUndefined()
    await registry.apply([configured(40, { state: 'retired' })])
    expect((await store.read(found?.version))?.histories.get(RP_KEY)?.at(-1)?.state).toBe('retired')
  })

  test('merges as it does in memory', async () => {
    const change = fc.record({
      atMs: fc.integer({ min: 1, max: 60 }),
      state: fc.constantFrom(...clientStates),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 70 }), async (changes) => {
        await command('DEL', key())
        await registry.apply(changes.map(({ atMs, state }) => configured(atMs, { state })))
        const expected = changes.reduce((known, it) => mergeHistories(known, [it]), readHistory(''))
        expect(await command('HGET', key(), 'states')).toBe(writeHistory(expected))
      }),
      { numRuns: 20 },
    )
  })

  test.each(['client', 'index'])(
    'a %s key with foreign data costs no other client anything',
    async (place) => {
      const foreign = place === 'client' ? key() : fixture.keys.clientStates()
      await command('SET', foreign, 'x')
      const other = { issuer: ISSUER, clientId: 'other' }
      const ofOther = step({
        type: 'client-configured',
        ...other,
        atMs: 5,
        settings: { alg: 'ES256' },
        state: 'paused',
      })
      expect(await registry.apply([configured(10, { state: 'paused' }), ofOther])).toHaveLength(2)
      expect([...fixture.redis.suspects]).toContain(foreign)
      expect(await command('HGET', fixture.keys.client(ISSUER, 'other'), 'alg')).toBe('ES256')
      const found = await clients().read(undefined)
      expect(found?.histories.has(`${ISSUER}|other`)).toBe(place === 'client' ? true : undefined)
    },
  )
})
