import { createPublicKey, type JsonWebKey, randomBytes, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import type { JWK } from 'jose'
import { createScratchDirectory, type ScratchDirectory } from '../stack/scratch-directory.ts'
import { type InputOptions, type InputRecord, inputRecord } from './input-record.ts'
import type { JsonWebKeyWithId } from './ledger/protocol.ts'
import {
  launchRelay,
  type RelayOptions,
  type RelayProcess,
  relayEnvironment,
  startRelay,
} from './relay-process.ts'
import { RelyingPartyServer } from './relying-party-server.ts'
import { privateJwk, replaceFile } from './signing-key-file.ts'
import { TopicLog, type TopicOptions } from './topic-log.ts'

export interface RelaySiteOptions {
  readonly kafkaBrokers: string
  readonly redisUrl: string
  readonly topic?: TopicOptions
  /** Settings of every relay of this site. */
  readonly env?: Readonly<Record<string, string>>
}

export interface RegistrationInput {
  readonly sessionId: string
  readonly oidcSessionId: string
  readonly clientId: string
  readonly userId: string
  readonly backchannelLogoutUri: string
  readonly [name: string]: unknown
}

export const ISSUER = 'https://login.test.example'
const SESSION_LIFETIME_SECONDS = 600

/** Everything one relay needs, of its own: topic, group, Redis prefix, signing keys, and RPs. Ends what it started. */
export class RelaySite {
  readonly groupId: string
  readonly prefix: string
  readonly redis: Redis
  readonly topic: TopicLog
  readonly rps: RelyingPartyServer
  readonly keysFile: string
  /** For files of this test. */
  readonly folder: string
  readonly #scratch: ScratchDirectory
  readonly #options: RelaySiteOptions
  #keys: readonly JWK[] = []
  readonly #relays = new Set<RelayProcess>()

  static async open(options: RelaySiteOptions): Promise<RelaySite> {
    const name = `it-${randomBytes(6).toString('hex')}`
    const scratch = createScratchDirectory('site')
    const [rps, topic] = await Promise.all([
      RelyingPartyServer.listen(),
      TopicLog.create(options.kafkaBrokers, name, options.topic),
    ])
    const site = new RelaySite(options, scratch, rps, topic)
    await site.writeKeys(
      privateJwk('rsa', 'test-rsa'),
      privateJwk('ec', 'test-ec'),
      privateJwk('ed25519', 'test-ed25519'),
    )
    return site
  }

  private constructor(
    options: RelaySiteOptions,
    scratch: ScratchDirectory,
    rps: RelyingPartyServer,
    topic: TopicLog,
  ) {
    this.#options = options
    this.#scratch = scratch
    this.folder = scratch.path
    this.rps = rps
    this.topic = topic
    this.groupId = `${topic.name}.group`
    this.prefix = topic.name
    this.keysFile = join(scratch.path, 'keys.json')
    this.redis = new Redis(options.redisUrl)
  }

  get kafkaBrokers(): string {
    return this.#options.kafkaBrokers
  }

  get deadLetterTopic(): string {
    return `${this.topic.name}.dead-letter`
  }

  async writeKeys(...keys: readonly JWK[]): Promise<void> {
    this.#keys = keys
    await replaceFile(this.keysFile, JSON.stringify({ keys }))
  }

  /** The public halves of the keys that were written last, not as the relay shows them. */
  publicJwks(): { keys: JsonWebKeyWithId[] } {
    const keys = this.#keys.map((jwk) => {
      const publicKey = createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' })
      return { ...publicKey.export({ format: 'jwk' }), kid: String(jwk.kid) }
    })
    return { keys }
  }

  /** What must never be seen outside of the key file. */
  privateKeyParts(): string[] {
    return this.#keys.flatMap(({ d, p, q }) => [d, p, q]).filter((part) => part !== undefined)
  }

  /** Impatient settings, so that a test waits for conditions and not for defaults. */
  environment(env: Readonly<Record<string, string>> = {}): Record<string, string> {
    return {
      KAFKA_TOPICS: this.topic.name,
      KAFKA_GROUP_ID: this.groupId,
      KAFKA_SESSION_TIMEOUT_MS: '3000',
      REDIS_PREFIX: this.prefix,
      COMMIT_INTERVAL_MS: '50',
      // A relay that looks more often takes twice the processor time, and there are many of them.
      RETRY_POLL_MS: '50',
      RETRY_BASE_DELAY_MS: '20',
      RETRY_MAX_DELAY_MS: '200',
      SIGNING_KEYS_RELOAD_MS: '500',
      // The issuer is made up; looking for it would ask a name server.
      SIGNING_KEYS_PUBLISHED_CHECK_MS: '0',
      ...this.#options.env,
      ...env,
    }
  }

  /** Resolves when it is ready. It ends with the site, or before. */
  async startRelay(
    env?: Readonly<Record<string, string>>,
    readyTimeoutMs?: number,
    limits: Pick<RelayOptions, 'openFilesMax'> = {},
  ): Promise<RelayProcess> {
    const relay = await startRelay({
      ...limits,
      kafkaBrokers: this.#options.kafkaBrokers,
      redisUrl: this.#options.redisUrl,
      issuer: ISSUER,
      signingKeysFile: this.keysFile,
      env: this.environment(env),
      ...(readyTimeoutMs !== undefined && { readyTimeoutMs }),
    })
    this.#relays.add(relay)
    return relay
  }

  /** Resolves when its process is there, which ends with the site, or before. */
  async launchRelay(env?: Readonly<Record<string, string>>): Promise<RelayProcess> {
    const { kafkaBrokers, redisUrl } = this.#options
    const surroundings = { kafkaBrokers, redisUrl, issuer: ISSUER, signingKeysFile: this.keysFile }
    const relay = await launchRelay({ ...surroundings, env: this.environment(env) })
    this.#relays.add(relay)
    return relay
  }

  /** For a command beside the relays of this site. */
  commandEnvironment(env?: Readonly<Record<string, string>>): Record<string, string> {
    const { kafkaBrokers, redisUrl } = this.#options
    const surroundings = { kafkaBrokers, redisUrl, issuer: ISSUER, signingKeysFile: this.keysFile }
    return { ...relayEnvironment(surroundings), ...this.environment(env) }
  }

  registration(path: string, overrides: Readonly<Record<string, unknown>> = {}): RegistrationInput {
    const userId = String(overrides.userId ?? randomUUID())
    return {
      issuer: ISSUER,
      sessionId: randomUUID(),
      oidcSessionId: randomBytes(12).toString('base64url'),
      clientId: `client${path.replaceAll('/', '-')}`,
      userId,
      backchannelLogoutUri: this.rps.uri(path),
      registeredAt: new Date().toISOString(),
      ...overrides,
    }
  }

  /** Writes registrations to Redis in the documented layout, as an identity provider may do. */
  async registerInRedis(...registrations: readonly RegistrationInput[]): Promise<void> {
    const pipeline = this.redis.pipeline()
    for (const it of registrations) {
      const [session, user] = [this.sessionKey(it.sessionId), `${this.prefix}:user:{${ISSUER}|${it.userId}}`]
      pipeline.hset(session, it.oidcSessionId, JSON.stringify(it)).expire(session, SESSION_LIFETIME_SECONDS)
      pipeline.zadd(user, Date.now() + 1_000 * SESSION_LIFETIME_SECONDS, it.sessionId)
      pipeline.expire(user, SESSION_LIFETIME_SECONDS)
    }
    for (const [error] of (await pipeline.exec()) ?? []) if (error !== null) throw error
  }

  sessionKey(sessionId: string): string {
    return `${this.prefix}:session:{${ISSUER}|${sessionId}}`
  }

  registered(registration: RegistrationInput, options?: InputOptions): InputRecord {
    return inputRecord('backchannel-logout-registered', registration, options)
  }

  terminated({ sessionId }: { sessionId: string }, options?: InputOptions): InputRecord {
    return inputRecord('session-terminated', { issuer: ISSUER, sessionId }, options)
  }

  /** The keys of the prefix. */
  async redisKeys(pattern = '*'): Promise<string[]> {
    return this.redis.keys(`${this.prefix}:${pattern}`)
  }

  async close(): Promise<void> {
    await Promise.all([...this.#relays].map((relay) => relay.kill()))
    const keys = await this.redisKeys()
    if (keys.length > 0) await this.redis.del(keys)
    this.redis.disconnect()
    await this.rps.close()
    await this.topic.remove(this.groupId)
    await this.#scratch.remove()
  }
}
