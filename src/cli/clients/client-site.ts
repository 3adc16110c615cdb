import { createIssuers, issuersLayout } from '../../app/create-issuers.ts'
import { type Layout, layout, readConfigPart } from '../../config/config.ts'
import { readEachOption } from '../../config/read-each-option.ts'
import type { ClientSummary } from '../../delivery/relay-summary.ts'
import type { Issuers } from '../../issuers/issuers.ts'
import { systemClock } from '../../lib/clock.ts'
import { RedisBacklog } from '../../redis/redis-backlog.ts'
import { RedisBacklogView } from '../../redis/redis-backlog-view.ts'
import { RedisClientView } from '../../redis/redis-client-view.ts'
import { RedisClients } from '../../redis/redis-clients.ts'
import type { RedisConnection } from '../../redis/redis-connection.ts'
import { RedisKeys } from '../../redis/redis-keys.ts'
import { RedisRelaySummaries } from '../../redis/redis-relay-summaries.ts'
import { type ClientHistory, currentState, putOffDeadline } from '../../registry/client-history.ts'
import { goByClockOf, openRedis } from '../backends.ts'

export interface ClientSite {
  readonly keys: RedisKeys
  readonly redis: RedisConnection
  readonly backlog: RedisBacklogView
  readonly clients: RedisClients
  readonly settings: RedisClientView
  /** With the clients of the issuers file; missing where none is configured for the command. */
  readonly issuers: Issuers | undefined
}

/** What is known of one client, put together from the places that know of it. */
export interface KnownClient {
  readonly rpKey: string
  readonly issuer: string
  readonly clientId: string
  readonly history: ClientHistory
  readonly parked: number
  /** Of each relay that runs. */
  readonly seen: readonly (ClientSummary | undefined)[]
}

const RPS_MAX = 100_000

const siteLayout = {
  mode: layout.mode,
  redis: layout.redis,
  registry: layout.registry,
} as const satisfies Layout

/** What these commands read; publishing a change reads more. */
export const clientsLayout = {
  ...siteLayout,
  ...issuersLayout,
  egress: layout.egress,
} as const satisfies Layout

/** The issuers of the configuration, as far as there is one: a command may be told by `--issuer` alone. */
export async function openIssuers(): Promise<Issuers | undefined> {
  const config = readEachOption().part({ ...issuersLayout, egress: layout.egress })
  const issuers = config && createIssuers(config, systemClock)
  await issuers?.open()
  return issuers
}

/** Runs a command with a connection to Redis, which is closed afterwards. */
export async function withClients<T>(run: (site: ClientSite) => Promise<T>): Promise<T> {
  const config = readConfigPart(siteLayout)
  const issuers = await openIssuers()
  const redis = await openRedis(config.redis)
  const keys = new RedisKeys(config.redis.prefix, config.mode)
  try {
    await goByClockOf(redis)
    return await run({
      keys,
      redis,
      issuers,
      backlog: new RedisBacklogView(redis, keys),
      clients: new RedisClients({ redis, keys, ...config.registry }),
      settings: new RedisClientView(redis, keys),
    })
  } finally {
    redis.close()
  }
}

/** Every client that has settings, a state, parked deliveries or a relay that has sent to it; not those with registrations alone. */
export async function knownClients(site: ClientSite, issuer: string | undefined): Promise<KnownClient[]> {
  const { backlog, clients, issuers, keys, redis, settings } = site
  const histories = (await clients.read(undefined))?.histories ?? new Map<string, ClientHistory>()
  const sizes = new Map((await backlog.sizes(RPS_MAX)).map(({ rpKey, size }) => [rpKey, size]))
  const summaries = await new RedisRelaySummaries(redis, keys).read()
  const seen = summaries.map((summary) => new Map(summary.map((it) => [it.rpKey, it])))
  const ofFile = [...(issuers?.known() ?? [])].flatMap(({ id, settings: { clients: listed } }) =>
    listed.map(({ clientId }) => `${id}|${clientId}`),
  )
  const names = new Set([
    ...ofFile,
    ...histories.keys(),
    ...sizes.keys(),
    ...seen.flatMap((it) => [...it.keys()]),
    ...(await settings.names()),
  ])
  return [...names].flatMap((rpKey) => {
    const bar = rpKey.indexOf('|')
    if (bar < 1 || (issuer !== undefined && rpKey.slice(0, bar) !== issuer)) return []
    return {
      rpKey,
      issuer: rpKey.slice(0, bar),
      clientId: rpKey.slice(bar + 1),
      history: histories.get(rpKey) ?? [],
      parked: sizes.get(rpKey) ?? 0,
      seen: seen.map((it) => it.get(rpKey)),
    }
  })
}

/** The earliest deadline among its parked deliveries, put off by its pauses; infinite while it is paused. Milliseconds. */
export async function oldestDeadlines(
  { issuers, keys, redis }: ClientSite,
  clients: readonly KnownClient[],
): Promise<(number | undefined)[]> {
  const { deadlineMs: usualMs } = readConfigPart({ deadlineMs: layout.delivery.retry.deadlineMs })
  const found = await new RedisBacklog(redis, keys).earliestDeadlines(clients.map(({ rpKey }) => rpKey))
  return clients.map(({ history, issuer }, i) => {
    const deadlineMs = found[i]
    const pauses = currentState(history)?.pauses
    if (deadlineMs === undefined || pauses === undefined) return deadlineMs
    return putOffDeadline(pauses, deadlineMs, issuers?.get(issuer)?.deadlineMs ?? usualMs)
  })
}

/** As all relays see it, for people. */
export function breakerText(seen: KnownClient['seen']): string {
  const open = seen.filter((it) => it?.openSinceMs !== undefined).length
  if (seen.length === 0) return 'no relay runs'
  if (open === 0) return 'closed'
  return seen.length === 1 ? 'open' : `open at ${open} of ${seen.length}`
}

export function sumOf(seen: KnownClient['seen'], name: 'sent' | 'failed'): number {
  return seen.reduce((sum, it) => sum + (it?.[name] ?? 0), 0)
}
