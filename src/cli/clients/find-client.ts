import { RelayFault } from '../../lib/errors.ts'
import { RedisSessionView } from '../../redis/redis-session-view.ts'
import { type ClientSite, type KnownClient, knownClients } from './client-site.ts'

const NAMED_MAX = 10

/**
 * A client that something is known of, be it a registration alone, for which all sessions may have to be looked through.
 * Throws `LR_REFUSED`, which names clients that are known, for any other: it is a slip, as a rule.
 */
export async function findClient(site: ClientSite, issuer: string, clientId: string): Promise<KnownClient> {
  const known = await knownClients(site, issuer)
  const found = known.find((it) => it.clientId === clientId)
  if (found !== undefined) return found
  const seen = known[0]?.seen.map(() => undefined) ?? []
  const names = new Set(known.map((it) => it.clientId))
  for await (const page of new RedisSessionView(site.redis, site.keys).all(issuer)) {
    for (const { registrations } of page) {
      for (const it of registrations) {
        if (it.clientId !== clientId) names.add(it.clientId)
        else return { rpKey: `${issuer}|${clientId}`, issuer, clientId, history: [], parked: 0, seen }
      }
    }
  }
  const some = [...names].sort().slice(0, NAMED_MAX)
  const others = names.size > some.length ? `${some.join(', ')}, …` : some.join(', ')
  const hint = names.size === 0 ? 'no client is known there' : `known there: ${others}`
  throw new RelayFault('LR_REFUSED', `no client ${clientId} of ${issuer} is known; ${hint}`)
}
