import { layout } from '../config/config.ts'
import type { EachOption } from '../config/read-each-option.ts'
import { ClientPolicy } from '../delivery/client-policy.ts'
import { type ExaminedFinding, notConfigured } from '../diagnosis/examination.ts'
import { examineRelyingParty } from '../diagnosis/examine-relying-party.ts'
import { error, type Found, unknown } from '../diagnosis/finding.ts'
import { checkRpSettings } from '../diagnosis/relying-party.ts'
import { EgressGuard, type EgressPolicy } from '../egress/egress-guard.ts'
import { NameResolver } from '../egress/name-resolver.ts'
import type { AttemptResult } from '../egress/sender.ts'
import { tlsHandshake } from '../egress/tls-handshake.ts'
import { UndiciSender } from '../egress/undici-sender.ts'
import { endpointProblem, type LogoutEndpoint, logoutEndpoint } from '../events/logout-endpoint.ts'
import { systemClock } from '../lib/clock.ts'
import { delay } from '../lib/deferred.ts'
import { messageOf } from '../lib/errors.ts'
import { tcpConnect } from '../lib/tcp-connect.ts'
import type { RedisConnection } from '../redis/redis-connection.ts'
import { RedisKeys } from '../redis/redis-keys.ts'
import { RedisRpSettings } from '../redis/redis-rp-settings.ts'
import { emptyLogout } from '../transports/backchannel-logout/backchannel-logout.ts'
import { configuredIssuers, createIssuers, issuersLayout } from './create-issuers.ts'

export interface RpParts {
  readonly configuration: EachOption
  /** Throws when Redis does not answer. Asked once; it is closed by whoever gives it. */
  readonly openRedis: () => Promise<RedisConnection>
}

const CONNECT_TIMEOUT_MS = 5_000

/** Looks at one back-channel logout URI, and at what Redis says of its client. */
export async function examineRp(
  parts: RpParts,
  { uri, clientId }: { readonly uri: string; readonly clientId?: string },
): Promise<readonly ExaminedFinding[]> {
  const config = parts.configuration.part({
    egress: layout.egress,
    attemptTimeoutMs: layout.delivery.attemptTimeoutMs,
  })
  if (config === undefined) return notConfigured('relying-party')
  const guard = await guardOf(parts.configuration, config.egress)
  const names = new NameResolver()
  const { attemptTimeoutMs } = config
  const sender = new UndiciSender({
    names,
    attemptTimeoutMs,
    connectionsPerOriginMax: 1,
  })
  const timeoutMs = Math.min(attemptTimeoutMs, CONNECT_TIMEOUT_MS)
  const ask = (endpoint: LogoutEndpoint) =>
    new Promise<AttemptResult>((done) => sender.send({ endpoint, egress: guard, ...emptyLogout }, done))
  try {
    return await examineRelyingParty({
      uri,
      guard,
      ask,
      nowMs: systemClock.now(),
      resolve: (hostname) => resolveName(names, hostname, timeoutMs),
      connect: (address, port) => tcpConnect(address, port, timeoutMs),
      shakeHands: (address, port, hostname) => tlsHandshake({ address, port, hostname, timeoutMs }),
      ...(clientId !== undefined && { settings: () => rpSettings(parts, uri, clientId) }),
    })
  } finally {
    await sender.close()
  }
}

/** What the only issuer may reach; of several, what all may. */
async function guardOf(configuration: EachOption, egress: EgressPolicy): Promise<EgressGuard> {
  const issuers = await configuredIssuers(configuration, egress)
  const only = issuers?.only
  return (only === undefined ? undefined : issuers?.get(only)?.egress) ?? new EgressGuard(egress)
}

/** In the way in which attempts resolve names: hosts file, search domains and all. */
async function resolveName(
  names: NameResolver,
  hostname: string,
  timeoutMs: number,
): Promise<readonly string[]> {
  const found = await Promise.race([names.addressesOf(hostname), delay(timeoutMs)])
  if (found === undefined) throw Object.assign(new Error('no name server answers'), { code: 'EAI_AGAIN' })
  return found
}

async function rpSettings(
  { configuration, openRedis }: RpParts,
  uri: string,
  clientId: string,
): Promise<Found> {
  const config = configuration.part({
    url: layout.redis.url,
    prefix: layout.redis.prefix,
    clients: layout.clients,
    ...issuersLayout,
  })
  if (config === undefined)
    return unknown('REDIS_URL, ISSUER and CLIENT_HOSTS are required to read its settings')
  const issuers = createIssuers(config, systemClock)
  await issuers.open()
  const issuer = issuers.only
  if (issuer === undefined)
    return unknown('this relay serves several issuers, and the RP may be a client of each')
  const clients = new ClientPolicy(config.clients, issuers, () => undefined)
  const rp = { issuer, clientId }
  const refusal = endpointProblem(uri) === undefined && clients.refusal(rp, logoutEndpoint(uri))
  if (refusal) {
    return error(`${refusal}: its logouts are blocked`, 'add the host to CLIENT_HOSTS if it is right')
  }
  const invalid: string[] = []
  try {
    const store = new RedisRpSettings({
      keys: new RedisKeys(config.prefix),
      redis: await openRedis(),
      onInvalid: (_rp, fault) => invalid.push(fault),
      uriProblem: (it, text) => clients.refusal(it, logoutEndpoint(text)),
    })
    const [settings = {}] = await store.load([rp])
    return checkRpSettings(clientId, uri, settings, invalid)
  } catch (reason) {
    return unknown(`its settings could not be read: ${messageOf(reason)}`)
  }
}
