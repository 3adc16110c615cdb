import type { ServerResponse } from 'node:http'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { type RedisServer, startRedisServer } from '../stack/redis-server.ts'
import { eventually } from '../support/eventually.ts'
import { readiness } from '../support/readiness.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import { RelaySite } from '../support/relay-site.ts'
import { end } from '../support/relying-party-server.ts'

let redis: RedisServer
let site: RelaySite
let relay: RelayProcess

beforeEach(async () => {
  redis = await startRedisServer()
  site = await RelaySite.open({ kafkaBrokers: inject('kafkaBrokers'), redisUrl: redis.url })
  relay = await site.startRelay()
})
afterEach(async () => {
  await site.close()
  await redis.stop()
})

interface Trouble {
  readonly name: string
  readonly reason: RegExp
  /** Resolves when Redis refuses writes; the function that it resolves with restores it. */
  readonly begin: () => Promise<() => Promise<unknown>>
}

const troubles: Trouble[] = [
  {
    name: 'is turned into a replica by a failover',
    reason: /read-only replica of 127\.0\.0\.1/,
    begin: async () => {
      const other = await startRedisServer()
      const atOther = new Redis(other.url)
      const linkIsUp = (client: Redis) =>
        eventually(async () => expect(await client.info('replication')).toContain('master_link_status:up'))
      const portOf = (client: Redis) => client.options.port as number
      await atOther.replicaof('127.0.0.1', portOf(site.redis))
      await linkIsUp(atOther)
      await atOther.replicaof('NO', 'ONE')
      await site.redis.replicaof('127.0.0.1', portOf(atOther))
      await linkIsUp(site.redis)
      return async () => {
        await site.redis.replicaof('NO', 'ONE')
        atOther.disconnect()
        await other.stop()
      }
    },
  },
  {
    name: 'has no memory left',
    reason: /reached maxmemory/,
    begin: async () => {
      await site.redis.config('SET', 'maxmemory', '1')
      return () => site.redis.config('SET', 'maxmemory', '0')
    },
  },
]

const isReady = (is: boolean, reason = /./) =>
  eventually(async () => {
    const { status, body } = await readiness(relay.url)
    expect(status).toBe(is ? 200 : 503)
    if (!is) expect(body['redis-writable']).toMatch(reason)
  })

test.each(troubles)(
  'Redis $name: nothing is taken up or committed, and all is delivered once it takes them again',
  async ({ begin, reason }) => {
    let held: ServerResponse | undefined
    let isDown = true
    const underWay = site.registration('/under-way', {
      backchannelLogoutUri: site.rps.uri('/under-way', (_request, response) => {
        held = response
      }),
    })
    const failing = site.registration('/failing', {
      backchannelLogoutUri: site.rps.uri('/failing', (_request, response) =>
        end(response, isDown ? 503 : 200),
      ),
    })
    const later = Array.from({ length: 20 }, (_, i) => site.registration(`/later/${i}`))
    await site.registerInRedis(underWay, failing, ...later)
    await site.topic.publish(site.terminated(underWay), site.terminated(failing))
    await site.rps.waitFor('/under-way')
    await site.rps.waitFor('/failing')

    const restore = await begin()
    try {
      end(held as ServerResponse, 200)
      await site.topic.publish(...later.map((it) => site.terminated(it)))
      await isReady(false, reason)
      expect(await readMetric(relay, 'check_findings', { check: 'redis-writable' })).toBe(1)
      // What the RP has accepted is reported at once, and stays on the books until Redis has taken it off.
      await site.topic.waitForOutcome(underWay.clientId)
      await eventually(async () => {
        expect(await readMetric(relay, 'faults_total', { part: 'redis' })).toBeGreaterThan(0)
      })
      expect(site.rps.requests.items.filter(({ url }) => url.startsWith('/later'))).toEqual([])
      // Without memory Redis may still take off what was accepted, and then that is committed; but none of these.
      expect(await site.topic.lag(site.groupId)).toBeGreaterThanOrEqual(later.length)
      expect((await fetch(`${relay.url}/livez`)).status).toBe(200)
    } finally {
      isDown = false
      await restore()
    }

    await isReady(true)
    for (const { clientId } of [failing, ...later]) await site.topic.waitForOutcome(clientId)
    for (const { clientId } of later)
      expect(site.rps.at(clientId.replace(/^client-later-/, '/later/'))).toHaveLength(1)
    expect(site.rps.at('/under-way')).toHaveLength(1)
    await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
    await eventually(async () => expect(await site.redisKeys('session:*')).toEqual([]))
    await eventually(async () => expect(await site.redisKeys('backlog*')).toEqual([]))
    await relay.waitForLog(({ msg, check }) => msg === 'check: resolved' && check === 'redis-writable')
    expect(await relay.stop()).toBe(0)
  },
)
