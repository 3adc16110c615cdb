import { once } from 'node:events'
import { chmod } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { checksOf } from '../../src/diagnosis/check-names.ts'
import { startRedisServer } from '../stack/redis-server.ts'
import { freePort } from '../support/free-port.ts'
import { type IdentityProvider, startProvider } from '../support/identity/provider.ts'
import type { RelaySite } from '../support/relay-site.ts'
import { Examined, runDoctor } from '../support/run-doctor.ts'
import { replaceFile } from '../support/signing-key-file.ts'
import { openSite } from './open-site.ts'

let site: RelaySite
let provider: IdentityProvider
let providerKeys: string
/** It waits for both of them for a while, so it runs beside the other tests. */
let withBothAway: Promise<Examined>

beforeAll(async () => {
  site = await openSite({ env: { SESSION_LIFETIME_MS: '3600000' } })
  provider = await startProvider({ kafkaBrokers: inject('kafkaBrokers'), topic: 'session-events' })
  providerKeys = join(site.folder, 'provider-keys.json')
  await replaceFile(providerKeys, JSON.stringify(provider.privateKeys))
  const port = await freePort()
  const away = { KAFKA_BROKERS: `127.0.0.1:${port}`, REDIS_URL: `redis://relay:geheim@127.0.0.1:${port}/0` }
  withBothAway = Examined.by(environment(away))
})
afterAll(async () => {
  await provider.stop()
  await site.close()
})

/** What a relay of the site would be started with. */
const environment = (more: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  ...site.environment(),
  KAFKA_BROKERS: inject('kafkaBrokers'),
  REDIS_URL: inject('redisUrl'),
  ISSUER: provider.issuer,
  SIGNING_KEYS_FILE: providerKeys,
  ...more,
})

test('before the first relay it says what is missing, and leaves no trace', async () => {
  const examined = await Examined.by(environment())
  expect(examined.with('error')).toEqual(['topic-missing'])
  expect(examined.of('topic-missing').join('\n')).toMatch(/^error: the dead-letter topic .* does not exist/m)
  expect(examined.of('group-state')[0]).toMatch(/^hint: .* does not exist yet/)
  expect(examined.of('redis-epoch')[0]).toMatch(/^hint: .* no relay has used this prefix yet/)
  expect(examined.status).toBe(1)
  expect(await site.redisKeys()).toEqual([])
  expect(await site.topic.groupsNamed(site.groupId)).toEqual([])
})

describe('beside a relay', () => {
  test('it finds nothing wrong, and says of everything what it saw; then the relay is stopped', async () => {
    const relay = await site.startRelay(environment())
    const examined = await Examined.by(environment())
    expect(examined.with('error')).toEqual([])
    expect(examined.with('warning')).toEqual([])
    // It sends no logouts, and takes no webhooks.
    expect(examined.with('unknown')).toEqual(['client-origin', 'webhooks-published'])
    expect(examined.status).toBe(0)
    const examinedChecks = new Set(examined.all.map(({ check }) => check))
    const expected = (['kafka', 'redis', 'issuer'] as const).flatMap((area) => checksOf(area))
    expect(expected.filter((check) => !examinedChecks.has(check))).toEqual([])

    expect(examined.of('kafka-bootstrap')).toEqual([`ok: ${inject('kafkaBrokers').split(',')[0]} answers`])
    expect(examined.of('group-state')).toEqual([`ok: the group ${site.groupId} is stable, with 1 member`])
    expect(examined.of('group-members')[0]).toMatch(/^ok: 1 for 3 partitions/)
    expect(examined.of('group-lag')[0]).toMatch(/^ok: .* 0 records behind/)
    expect(examined.of('topic-partitions')[0]).toBe('ok: 3 partitions')
    expect(examined.of('topic-message-size')).toEqual([
      `ok: ${site.deadLetterTopic} accepts records of up to 16777216 bytes`,
    ])
    expect(examined.of('redis-epoch')).toEqual([
      `ok: ${site.prefix}:epoch exists: Redis agrees with the topic`,
    ])
    expect(examined.of('redis-group')[0]).toMatch(/^ok: /)
    expect(examined.of('keys-signing')).toEqual(['ok: provider-key-1 (RSA, 2048 bits) signs RS256'])
    expect(examined.of('issuer-discovery')[0]).toMatch(/^ok/)
    for (const known of examined.of('issuer-known')) expect(known).toMatch(/^ok/)
    expect(examined.of('issuer-clock')).toEqual(["ok: this machine's clock and the issuer's agree"])
    expect(examined.of('issuer-logout-support')[0]).toMatch(/^ok/)
    expect(examined.of('key-published')).toEqual([
      "ok: kid provider-key-1 is in the issuer's JWK set, for RS256",
    ])

    expect(await relay.stop()).toBe(0)
    const old = { timestamp: String(Date.now() - 60_000) }
    await site.topic.publish({ ...site.terminated({ sessionId: 'nobody' }), ...old })
    // Young enough to be read in time, and then not.
    const [stopped, late] = await Promise.all([
      Examined.by(environment()),
      Examined.by(environment({ LATE_AFTER_MS: '1000' })),
    ])
    expect(stopped.of('group-state')[0]).toMatch(/^error: .* no relay reads the triggers/)
    expect(stopped.of('group-lag')[0]).toMatch(/^ok: .* 1 record behind, 1 of them in partition \d/)
    expect(late.of('group-lag')[0]).toMatch(/^error: .* older than LATE_AFTER_MS/)
    expect(late.status).toBe(1)
  })
})

test('one dead broker is a warning, and keys that the issuer does not publish are an error each', async () => {
  const dead = `127.0.0.1:${await freePort()}`
  const KAFKA_BROKERS = `${dead},${inject('kafkaBrokers')}`
  await chmod(site.keysFile, 0o644)
  const examined = await Examined.by(environment({ KAFKA_BROKERS, SIGNING_KEYS_FILE: site.keysFile }))
  expect(examined.of('kafka-bootstrap')[0]).toMatch(/^warning: .*nothing listens there/)
  expect(examined.of('kafka-bootstrap').at(-1)).toMatch(/^ok/)
  expect(examined.of('kafka-reachable')[0]).toMatch(/^ok/)
  expect(examined.of('keys-permissions')[0]).toMatch(/^warning: .* \(0644\)/)
  expect(examined.of('key-published')).toEqual(
    ['test-rsa', 'test-ec', 'test-ed25519'].map(
      (kid) => `error: kid ${kid} is not in the issuer's JWK set: RPs refuse every token of this key`,
    ),
  )
  expect(examined.status).toBe(1)
  for (const part of site.privateKeyParts()) expect(examined.output).not.toContain(part)
})

describe('an issuer that is set up wrong', () => {
  let server: Server
  let aheadMs = 0
  let documents: Record<string, unknown> = {}

  beforeAll(async () => {
    server = createServer((request, response) => {
      const document = documents[request.url ?? '']
      response.setHeader('date', new Date(Date.now() + aheadMs).toUTCString())
      if (document === undefined) response.writeHead(302, { location: '/login' }).end()
      else response.end(JSON.stringify(document))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  afterAll(() => {
    server.close()
    server.closeAllConnections()
  })
  const url = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  test('another name, another clock, and its private keys for everybody', async () => {
    aheadMs = -90_000
    documents = {
      '/.well-known/openid-configuration': { issuer: `${url()}/`, jwks_uri: `${url()}/keys` },
      '/keys': provider.privateKeys,
    }
    const examined = await Examined.by(environment({ ISSUER: url() }))
    expect(examined.of('issuer-discovery')[0]).toMatch(/^ok/)
    expect(examined.of('issuer-known').at(-1)).toMatch(/^error: .*»\/« and /)
    expect(examined.of('issuer-clock')[0]).toMatch(
      /^error: this machine's clock is about 1 minute (29|30|31) seconds ahead of the issuer's/,
    )
    expect(examined.of('issuer-logout-support')[0]).toMatch(/^warning/)
    expect(examined.of('issuer-jwks')[0]).toMatch(/^error: .* shows private keys \(kid provider-key-1\)/)
    expect(examined.output).not.toContain(provider.privateKeys.keys[0]?.d)
    expect(examined.status).toBe(1)
  })

  test('no metadata, but a redirect', async () => {
    aheadMs = 20_000
    documents = {}
    const examined = await Examined.by(environment({ ISSUER: url() }))
    expect(examined.of('issuer-discovery')[0]).toMatch(/^error: .* redirects \(302\)/)
    expect(examined.of('issuer-clock')[0]).toMatch(/^warning: .* behind the issuer's/)
    for (const check of ['issuer-jwks', 'key-published', 'issuer-logout-support']) {
      expect(examined.of(check)[0]).toMatch(/^unknown/)
    }
  })
})

test('what the service checks in Redis it says in the same words; what it may not look up is a hint', async () => {
  await using redis = await startRedisServer({ args: ['--maxmemory-policy', 'allkeys-lru'] })
  const client = new Redis(redis.url)
  await client.call('ACL', 'SETUSER', 'relay', 'on', '>geheim', '~*', '+@all', '-@dangerous')
  await client.rpush(`${site.prefix}:backlogs`, 'x')
  client.disconnect()
  const REDIS_URL = redis.url.replace('//', '//relay:geheim@')
  const [asDefault, asRelay] = await Promise.all([
    Examined.by(environment({ REDIS_URL: redis.url })),
    Examined.by(environment({ REDIS_URL })),
  ])
  expect(asDefault.all).toContainEqual({
    area: 'redis',
    check: 'redis-eviction',
    severity: 'warning',
    text: expect.stringContaining('Redis runs with maxmemory-policy allkeys-lru: once maxmemory is set'),
    remedy: 'set maxmemory-policy to noeviction',
  })
  expect(asRelay.of('redis-keys')[0]).toMatch(/^error: the key .*:backlogs holds a list instead/)
  for (const check of ['redis-version', 'redis-memory', 'redis-eviction']) {
    expect(asRelay.of(check)[0]).toMatch(/^hint: .*NOPERM/)
  }
  expect(asRelay.output).not.toContain('geheim')
})

test('with Kafka and Redis away it ends with 3, says what that leaves unknown, and shows no password', async () => {
  const examined = await withBothAway
  expect(examined.status).toBe(3)
  expect(examined.of('kafka-reachable')[0]).toMatch(/^error: Kafka could not be reached/)
  expect(examined.of('redis-reachable')[0]).toMatch(/^error: Redis .*redis:\/\/relay:\*\*\*@127/)
  for (const check of [...checksOf('kafka'), ...checksOf('redis')]) expect(examined.of(check)).not.toEqual([])
  expect(examined.of('group-lag')).toEqual(['unknown: Kafka could not be reached'])
  expect(examined.of('redis-epoch')).toEqual(['unknown: Redis could not be reached'])
  // The rest is examined all the same.
  expect(examined.of('key-published')[0]).toMatch(/^ok/)
  expect(examined.output).not.toContain('geheim')
})

test('a wrong configuration ends with 2, each problem a row, and the rest is examined', async () => {
  const { REDIS_URL, ...others } = environment({ KAFKA_SESSION_TIMEOUT_MS: 'soon' })
  const { status, stdout, stderr } = await runDoctor(others, '--all')
  expect(status).toBe(2)
  expect(stdout).toMatch(/^SEVERITY +CHECK +ABOUT +FINDING AND REMEDY$/m)
  expect(stdout).toMatch(/^error +configuration +REDIS_URL +REDIS_URL: is required$/m)
  expect(stdout).toMatch(
    /^error +configuration +KAFKA_SESSION_TIMEOUT_MS +KAFKA_SESSION_TIMEOUT_MS: must be/m,
  )
  expect(stdout).toMatch(/^ +→ set REDIS_URL in the environment/m)
  expect(stdout).toMatch(/^unknown +redis-reachable/m)
  expect(stdout).toMatch(/^ok +kafka-reachable/m)
  expect(stderr).toMatch(/^\d+ ok, .*errors/m)
  expect(stdout.search(/^error/m)).toBeLessThan(stdout.search(/^ok/m))
  const alone = await runDoctor(others)
  expect(alone.stdout).toMatch(/^error +configuration +REDIS_URL /m)
  expect(alone.stdout).not.toMatch(/^(ok|hint|unknown)/m)
  expect(alone.stderr).toMatch(/^\d+ ok, .*errors.*--all/m)
})

test('its arguments: an example in the help, and a suggestion for what is misspelt', async () => {
  const [help, misspelt, alone] = await Promise.all([
    runDoctor({}, '--help'),
    runDoctor({}, '--jsn'),
    runDoctor({}, '--client', 'shop'),
  ])
  expect(help.status).toBe(0)
  expect(help.stdout).toContain('logout-relay doctor --rp https://')
  expect(misspelt.status).toBe(2)
  expect(misspelt.stderr).toContain('Did you mean --json?')
  expect(alone.status).toBe(2)
  expect(alone.stderr).toContain('--client: requires --rp')
})
