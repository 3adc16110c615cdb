import type { Decoders } from '../events/decoding/decode-record.ts'
import { frameOf } from '../events/decoding/framing.ts'
import { readOutcomeDetails } from '../events/read-outcome-details.ts'
import type { WireRecord } from '../events/wire-record.ts'
import type { LogReader, PartitionRange } from '../intake/log-reader.ts'
import { systemClock } from '../lib/clock.ts'
import type { ReplayFilter } from '../recovery/replay-filter.ts'
import type { RedisBacklogView } from '../redis/redis-backlog-view.ts'
import type { RedisSessionView } from '../redis/redis-session-view.ts'

const NAMES = ['issuer', 'session', 'user', 'client'] as const
type Name = (typeof NAMES)[number]

export interface KnownPlaces {
  /** Those that are meant, by their `iss`. */
  readonly issuers: readonly string[]
  readonly isIssuer?: (issuer: string) => boolean
  /** Whether the configuration names the client. */
  readonly isConfigured?: (issuer: string, clientId: string) => boolean
  readonly sessions: RedisSessionView
  readonly backlog?: Pick<RedisBacklogView, 'size'>
  readonly reader: Pick<LogReader, 'read'>
  readonly ranges: readonly PartitionRange[]
  /** Those for which the reader prepares records. */
  readonly decoders: Decoders
}

/**
 * The names of a filter that nobody knows, such as `client shpo`: there is no registration and no outcome of it, in Redis or
 * among the records of the ranges. A trigger proves nothing: it may be misspelt itself. It may read all of both, so it is asked
 * only when nothing was found. Throws when they are out of reach.
 */
export async function unknownNames(filter: ReplayFilter, places: KnownPlaces): Promise<string[]> {
  const left = new Map(NAMES.flatMap((name) => (filter[name] === undefined ? [] : [[name, filter[name]]])))
  for (const [name, value] of left) if (await isInRedis(name, value, places)) left.delete(name)
  if (left.size > 0 && !left.has('issuer')) await findInLog(left, places)
  return [...left].map(([name, value]) => `${name} ${value}`)
}

async function isInRedis(name: Name, value: string, places: KnownPlaces): Promise<boolean> {
  const { backlog, isConfigured, isIssuer, issuers, sessions } = places
  if (name === 'issuer') return isIssuer?.(value) === true
  for (const issuer of issuers) {
    switch (name) {
      case 'session': {
        const [state] = await sessions.find(issuer, [value])
        if (state === undefined) break
        const { broken, ended, registrations } = state
        if (registrations.length + broken.length + (ended?.settled.length ?? 0) > 0) return true
        break
      }
      case 'user':
        for await (const ids of sessions.sessionsOf(issuer, value)) if (ids.length > 0) return true
        break
      case 'client':
        if (isConfigured?.(issuer, value) === true) return true
        if (((await backlog?.size(`${issuer}|${value}`)) ?? 0) > 0) return true
        for await (const states of sessions.all(issuer))
          if (states.some((it) => it.registrations.some(({ clientId }) => clientId === value))) return true
        break
      default:
        name satisfies never
    }
  }
  return false
}

/** Takes out of `left` what some record names. */
async function findInLog(
  left: Map<Name, string>,
  { decoders, issuers, ranges, reader }: KnownPlaces,
): Promise<void> {
  const all = new AbortController()
  const take = async ({ records }: { records: readonly WireRecord[] }): Promise<void> => {
    for (const record of records) {
      const { value } = record
      if (value === null) continue
      // A backslash may spell any character of a name, and Avro writes numbers in its own way.
      const maySayIt = value.includes(0x5c) || frameOf(record) !== undefined
      if (!maySayIt && ![...left.values()].some((it) => value.includes(it))) continue
      for (const said of namesIn(record, decoders)) {
        if (issuers.length > 0 && !issuers.includes(said.issuer)) continue
        for (const [name, wanted] of left)
          if (name !== 'issuer' && said[name]?.includes(wanted)) left.delete(name)
      }
    }
    if (left.size === 0) all.abort()
  }
  try {
    await reader.read(ranges, take, all.signal)
  } catch (error) {
    if (!all.signal.aborted) throw error
  }
}

type Said = { readonly issuer: string } & Partial<
  Record<Exclude<Name, 'issuer'>, readonly (string | undefined)[]>
>

function namesIn(record: WireRecord, decoders: Decoders): Said[] {
  const outcome = readOutcomeDetails(record)
  if (outcome !== undefined) {
    const { clientId, issuer, sessionId, sub, userId } = outcome
    return [{ issuer, session: [sessionId], user: [userId, sub], client: [clientId] }]
  }
  return [decoders.decode(record, systemClock.now())].flat().flatMap((it): Said[] => {
    if (it.kind !== 'registration') return []
    const { clientId, issuer, sessionId, userId } = it.registration
    return [{ issuer, session: [sessionId], user: [userId], client: [clientId] }]
  })
}
