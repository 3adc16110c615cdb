import { messageOf, RelayFault } from '../lib/errors.ts'
import { type KafkaProducer, OwnProducer } from './kafka-producer.ts'
import { type Published, Publisher } from './publisher.ts'

/** What is used of an `oidc-provider` (versions 8 and 9). */
export interface OidcProvider {
  readonly issuer: string
  readonly Client: { readonly prototype: object }
  readonly IdToken: { readonly prototype: object }
  readonly Session: { readonly prototype: object }
}

export interface RelayLogoutsOptions {
  /** `host:port` of brokers that take plaintext. With TLS or a login, give a `producer`. */
  readonly brokers?: readonly string[]
  /** A kafkajs producer instead of `brokers`. Whoever gives it connects and disconnects it. */
  readonly producer?: KafkaProducer
  /** Default: `session-events`. It must exist. */
  readonly topic?: string
  /** What records call the issuer: `iss`, or an alias of it in the relay. Default: the issuer of the provider. */
  readonly issuer?: string
  /** What records call a user. Default: the account id. */
  readonly userId?: (accountId: string) => string | Promise<string>
  /** How long a login, a logout or `close` waits for Kafka, in milliseconds. Default: 2,000. */
  readonly timeoutMs?: number
  /** Told of each record that Kafka did not acknowledge in time, or at all. Default: a line on standard error. */
  readonly onError?: (error: Error) => void
}

export interface RelayedLogouts {
  /**
   * Signs an account out everywhere: every RP with a login in any of its sessions is told. The sessions at the provider are
   * not touched. `buffered`: Kafka is away, and the record is sent when it is back; `lost`: it is not, call it again.
   */
  signedOut(accountId: string, reason?: string): Promise<Published>
  /** Says that a session ended, by its `uid`. Only for one that `session.destroy()` did not end, such as one that expired. */
  sessionEnded(sessionUid: string, accountId: string, reason?: string): Promise<Published>
  /** Writes what waits for Kafka. To be called after the provider has answered its last request. */
  close(): Promise<void>
}

/** What `oidc-provider` has of these things, and what is used of it. */
interface Client {
  readonly clientId: string
  readonly backchannelLogoutUri?: string
  readonly backchannelLogoutSessionRequired?: boolean
  readonly idTokenSignedResponseAlg?: string
  backchannelLogout(sub: string, sid: string): Promise<unknown>
}

interface Session {
  /** Stays the same for as long as the session lives; the id in the cookie does not. */
  readonly uid: string
  readonly accountId?: string
  destroy(): Promise<unknown>
}

interface IdToken {
  readonly client?: Client
  readonly ctx?: {
    readonly oidc?: {
      readonly params?: { readonly grant_type?: string }
      readonly session?: Session
      readonly entities: {
        readonly AccessToken?: { readonly sessionUid?: string; readonly accountId?: string }
      }
    }
  }
  /** The claims; `sub` is that of this RP, and `sid` missing if the RP does not see it. */
  payload(): Promise<{ readonly sub: string; readonly sid?: string }>
  issue(options?: { readonly use?: string }): Promise<string>
}

const SEAMS = [
  ['Client', 'backchannelLogout'],
  ['IdToken', 'issue'],
  ['IdToken', 'payload'],
  ['Session', 'destroy'],
] as const
/** What the relay signs with; RS256 is its default. */
const ALGORITHMS = new Set(['PS256', 'ES256', 'EdDSA', 'Ed25519'])

/** Longer than any browser waits. */
const TIMEOUT_MS_MAX = 600_000
/** A relay takes no trigger with a longer one. */
const REASON_CHARACTERS_MAX = 1_024
const OPTIONS = ['brokers', 'producer', 'topic', 'issuer', 'userId', 'timeoutMs', 'onError']

const switched = new WeakSet<OidcProvider>()

/**
 * Lets the relay tell the RPs of a provider, instead of the provider itself. From then on a registration is on Kafka before an
 * RP gets its ID token, and a trigger before a session is destroyed. Call it once per provider, before the first request.
 * Resolves when Kafka answered, or after the time limit. Throws `LR_USAGE` for wrong options.
 */
export async function relayLogouts(
  provider: OidcProvider,
  options: RelayLogoutsOptions,
): Promise<RelayedLogouts> {
  check(provider, options)
  const { brokers, producer, timeoutMs = 2_000, topic = 'session-events', userId = (it) => it } = options
  const own = brokers === undefined ? undefined : new OwnProducer(brokers)
  const { issuer = provider.issuer } = options
  const onError = (error: Error): void => {
    try {
      ;(options.onError ?? printed)(error)
    } catch {
      // A fault in what the provider does with an error must not become one of a login.
    }
  }
  const to = own ?? (producer as KafkaProducer)
  const publisher = new Publisher({ producer: to, topic, issuer, timeoutMs, onError })
  const logouts = new Logouts({ publisher, own, userId, onError })
  logouts.takeOver(provider)
  switched.add(provider)
  await own?.connect().catch((error: unknown) => {
    const text = `Kafka cannot be reached (${messageOf(error)}); it is tried again with each record`
    onError(new RelayFault('LR_UNREACHABLE', text, { cause: error }))
  })
  return logouts
}

interface LogoutsOptions extends Required<Pick<RelayLogoutsOptions, 'onError' | 'userId'>> {
  readonly publisher: Publisher
  readonly own: OwnProducer | undefined
}

class Logouts implements RelayedLogouts {
  readonly #options: LogoutsOptions
  readonly #toldOfAlgorithm = new Set<string>()

  constructor(options: LogoutsOptions) {
    this.#options = options
  }

  signedOut(accountId: string, reason?: string): Promise<Published> {
    return this.#publish('user-signed-out', accountId, reasonFor(reason))
  }

  sessionEnded(sessionUid: string, accountId: string, reason?: string): Promise<Published> {
    return this.#publish('session-terminated', accountId, { sessionId: sessionUid, ...reasonFor(reason) })
  }

  async close(): Promise<void> {
    const { publisher, own } = this.#options
    await publisher.close()
    await own?.close()
  }

  /** Replaces what belongs to this provider alone: each has classes of its own. */
  takeOver(provider: OidcProvider): void {
    const client = provider.Client.prototype as Client
    // It is called before the session is destroyed, for each RP. An error here would be one of the logout.
    client.backchannelLogout = async () => undefined

    const idToken = provider.IdToken.prototype as IdToken
    const { issue } = idToken
    const register = (token: IdToken) => this.#register(token)
    idToken.issue = async function issueRegistered(this: IdToken, options) {
      const issued = await issue.call(this, options)
      if (options?.use === 'idtoken') await register(this)
      return issued
    }

    const session = provider.Session.prototype as Session
    const { destroy } = session
    const end = (uid: string, accountId: string) => this.sessionEnded(uid, accountId)
    session.destroy = async function destroyTold(this: Session) {
      // Before, because a crash in between must not lose the logout. A login that comes in between is within the tolerance of
      // the relay between clocks, and logged out as well.
      if (this.accountId !== undefined) await end(this.uid, this.accountId)
      return destroy.call(this)
    }
  }

  /** An RP is about to get an ID token. One that it gets by a refresh token is of a login that is registered. */
  async #register(token: IdToken): Promise<void> {
    const { client, ctx } = token
    const oidc = ctx?.oidc
    if (client?.backchannelLogoutUri === undefined || oidc === undefined) return
    if (oidc.params?.grant_type === 'refresh_token') return
    const { AccessToken } = oidc.entities
    const sessionId = oidc.session?.uid ?? AccessToken?.sessionUid
    const accountId = oidc.session?.accountId ?? AccessToken?.accountId
    // A grant that stands for itself, without a session.
    if (sessionId === undefined || accountId === undefined) return
    const { clientId, backchannelLogoutUri, backchannelLogoutSessionRequired, idTokenSignedResponseAlg } =
      client
    const { sub, sid } = await token.payload()
    this.#checkAlgorithm(client)
    await this.#publish('backchannel-logout-registered', accountId, {
      sessionId,
      // Of one client in one session there is one `sid`, so its repeated logins stay one registration.
      oidcSessionId: sid ?? clientId,
      clientId,
      sub,
      // An RP that sees no `sid` would look in vain for a session of it.
      ...(sid === undefined ? { claims: 'sub' } : { sid }),
      backchannelLogoutUri,
      ...(backchannelLogoutSessionRequired === true && { sessionRequired: true }),
      ...(ALGORITHMS.has(idTokenSignedResponseAlg ?? '') && { alg: idTokenSignedResponseAlg }),
      registeredAt: new Date().toISOString(),
    })
  }

  /** An RP expects its logout tokens to be signed as its ID tokens are. */
  #checkAlgorithm({ clientId, idTokenSignedResponseAlg: alg = 'RS256' }: Client): void {
    if (alg === 'RS256' || ALGORITHMS.has(alg) || this.#toldOfAlgorithm.has(clientId)) return
    this.#toldOfAlgorithm.add(clientId)
    const text = `client ${clientId}: its id_token_signed_response_alg ${alg} is none that the relay signs with; it gets RS256, which it may refuse. Change it to RS256, PS256, ES256 or EdDSA`
    this.#options.onError(new RelayFault('LR_USAGE', text))
  }

  async #publish(
    type: string,
    accountId: string,
    data: { readonly sessionId?: string; readonly [name: string]: unknown },
  ): Promise<Published> {
    let userId: string
    try {
      userId = await this.#options.userId(accountId)
    } catch (error) {
      const text = `${type}: it is lost, because userId() failed: ${messageOf(error)}`
      this.#options.onError(new RelayFault('LR_RECORD_LOST', text, { cause: error }))
      return 'lost'
    }
    return this.#options.publisher.publish(type, { userId, ...data })
  }
}

/** A reason is for people: one that is too long is cut, so that its logout is not lost. */
function reasonFor(reason: string | undefined): { readonly reason?: string } {
  return reason === undefined ? {} : { reason: String(reason).slice(0, REASON_CHARACTERS_MAX) }
}

function check(provider: OidcProvider, options: RelayLogoutsOptions): void {
  const refuse = (problem: string): never => {
    throw new RelayFault('LR_USAGE', `relayLogouts: ${problem}`)
  }
  for (const [name, method] of SEAMS) {
    const prototype = (provider as Partial<OidcProvider> | undefined)?.[name]?.prototype
    if (typeof (prototype as Record<string, unknown> | undefined)?.[method] !== 'function')
      refuse(`provider: has no ${name}.prototype.${method}; give an oidc-provider of version 8 or 9`)
  }
  if (switched.has(provider)) refuse('provider: its logouts are relayed already; call it once')
  if (typeof options !== 'object' || options === null) refuse('options: must be an object; give its brokers')
  for (const name of Object.keys(options))
    if (!OPTIONS.includes(name)) refuse(`${name}: is no option; there are ${OPTIONS.join(', ')}`)
  const { brokers, issuer = provider.issuer, onError, producer, timeoutMs, topic, userId } = options
  if ((brokers === undefined) === (producer === undefined)) refuse('give either brokers or a producer')
  if (brokers !== undefined && !(Array.isArray(brokers) && brokers.length > 0 && brokers.every(isBroker)))
    refuse('brokers: must be a list of host:port')
  if (producer !== undefined && typeof producer?.send !== 'function')
    refuse('producer: has no send(); give a producer of kafkajs')
  if (topic !== undefined && !isTopic(topic)) refuse('topic: must be the name of a topic')
  if (typeof issuer !== 'string' || issuer === '') refuse('issuer: must be a text that is not empty')
  if (
    timeoutMs !== undefined &&
    !(Number.isFinite(timeoutMs) && timeoutMs >= 0 && timeoutMs <= TIMEOUT_MS_MAX)
  )
    refuse(`timeoutMs: must be a number of milliseconds up to ${TIMEOUT_MS_MAX}`)
  for (const [name, it] of Object.entries({ userId, onError }))
    if (it !== undefined && typeof it !== 'function') refuse(`${name}: must be a function`)
}

function isTopic(name: unknown): boolean {
  return typeof name === 'string' && /^[\w.-]{1,249}$/.test(name) && !/^\.\.?$/.test(name)
}

function isBroker(text: unknown): boolean {
  const [, port] = typeof text === 'string' ? (/^[^\s:/]+:(\d{1,5})$/.exec(text) ?? []) : []
  return port !== undefined && Number(port) >= 1 && Number(port) <= 65_535
}

function printed(error: Error): void {
  process.stderr.write(`logout-relay: ${error.message}\n`)
}
