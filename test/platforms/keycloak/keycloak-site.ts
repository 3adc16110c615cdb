import { generateKeyPairSync } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createScratchDirectory } from '../../stack/scratch-directory.ts'
import { eventually } from '../../support/eventually.ts'
import { Browser, PASSWORD } from '../../support/identity/browser.ts'
import type { ClientMetadata } from '../../support/identity/provider.ts'
import { type RelyingParty, startRelyingParty } from '../../support/identity/relying-party.ts'
import { type FinishedCommand, relayCommand } from '../../support/relay-command.ts'
import { type RelayProcess, relayEnvironment, startRelay } from '../../support/relay-process.ts'
import { replaceFile } from '../../support/signing-key-file.ts'
import { TopicLog, type TopicRecord } from '../../support/topic-log.ts'
import { KeycloakServer } from './keycloak-server.ts'
import { type RelyingParties, setUpAsThePageSays } from './operator.ts'
import { BROKER, brokerRedirectUri, testRealms } from './realms.ts'

export interface Backends {
  readonly kafkaBrokers: string
  readonly redisUrl: string
}

export interface Person {
  readonly realm: keyof RelyingParties
  readonly userId: string
  readonly name: string
  readonly browser: Browser
  /** Of this browser at Keycloak. */
  readonly sessionId: string
}

const GROUP = 'keycloak-events.relay'
const OUTCOMES = 'logout-outcomes'
const TOPICS = ['keycloak-events', 'keycloak-admin-events']

/** A Keycloak with three realms, their RPs, and a relay that is set up as the page for operators says. */
export class KeycloakSite implements AsyncDisposable {
  readonly keycloak: KeycloakServer
  readonly events: TopicLog
  readonly adminEvents: TopicLog
  readonly outcomes: TopicLog
  readonly relay: RelayProcess
  readonly rps: RelyingParties
  readonly #environment: Readonly<Record<string, string>>
  readonly #mappingFile: string
  readonly #stop: () => Promise<void>

  static async open(backends: Backends): Promise<KeycloakSite> {
    await using stack = new AsyncDisposableStack()
    const folder = stack.use(createScratchDirectory('keycloak-site')).path
    const follow = async (name: string) => {
      const topic = await TopicLog.create(backends.kafkaBrokers, name)
      stack.defer(() => topic.remove(GROUP))
      return topic
    }
    const topics = {
      events: await follow('keycloak-events'),
      adminEvents: await follow('keycloak-admin-events'),
    }
    const outcomes = await follow(OUTCOMES)
    const keys = { shop: newKey(), partner: newKey(), kiosk: newKey() }
    for (const [realm, key] of Object.entries(keys))
      await writeFile(join(folder, `${realm}.pem`), key, { mode: 0o600 })
    const keycloak = stack.use(
      await KeycloakServer.start({
        kafkaBrokers: backends.kafkaBrokers,
        topic: topics.events.name,
        adminTopic: topics.adminEvents.name,
        realms: (url) => testRealms(url, keys),
      }),
    )
    const rps = {
      shop: await startRps(keycloak, 'shop', ['shop-web', 'wiki'], stack),
      partner: await startRps(keycloak, 'partner', ['portal'], stack),
      kiosk: await startRps(keycloak, 'kiosk', ['till', 'stock'], stack),
    }
    await keycloak.admin.createClient('shop', {
      ...{ clientId: BROKER.clientId, secret: BROKER.secret, publicClient: false },
      redirectUris: [brokerRedirectUri(keycloak.issuer('partner'))],
    })
    const { issuersFile, mappingFile } = await setUpAsThePageSays(keycloak, rps, folder)
    const options = {
      ...backends,
      issuer: '',
      signingKeysFile: '',
      env: {
        ISSUERS_FILE: issuersFile,
        MAPPING_FILE: mappingFile,
        KAFKA_TOPICS: TOPICS.join(','),
        KAFKA_OUTCOME_TOPIC: OUTCOMES,
        KAFKA_DEAD_LETTER_TOPIC: 'logout-dead-letters',
        KAFKA_GROUP_ID: GROUP,
        REDIS_PREFIX: OUTCOMES,
      },
    }
    const relay = await startRelay(options)
    stack.defer(async () => void (await relay.stop()))
    const started = stack.move()
    const environment = { ...relayEnvironment(options), ...options.env }
    const parts = { keycloak, ...topics, outcomes, relay, rps, environment, mappingFile }
    return new KeycloakSite(parts, () => started.disposeAsync())
  }

  private constructor(parts: Parts, stop: () => Promise<void>) {
    this.keycloak = parts.keycloak
    this.events = parts.events
    this.adminEvents = parts.adminEvents
    this.outcomes = parts.outcomes
    this.relay = parts.relay
    this.rps = parts.rps
    this.#environment = parts.environment
    this.#mappingFile = parts.mappingFile
    this.#stop = stop
  }

  async createUser(realm: string, name: string): Promise<string> {
    return this.keycloak.admin.createUser(realm, name, PASSWORD)
  }

  /** In a browser of their own, at all RPs of the realm. */
  async signIn(realm: keyof RelyingParties, name: string, userId: string): Promise<Person> {
    const before = await this.keycloak.admin.sessionsOf(realm, userId)
    const browser = new Browser()
    for (const rp of this.rps[realm]) await browser.signIn(rp, name)
    const after = await this.keycloak.admin.sessionsOf(realm, userId)
    const [session] = after.filter(({ id }) => before.every((it) => it.id !== id))
    if (session === undefined) throw new Error(`${name} has no new session`)
    return { realm, name, userId, browser, sessionId: session.id }
  }

  /** The client ids of the RPs whose page opens without a login. */
  async signedInAt({ realm, browser }: Person): Promise<string[]> {
    const at: string[] = []
    for (const rp of this.rps[realm]) if (await browser.isSignedIn(rp)) at.push(rp.clientId)
    return at
  }

  /** Sets what counts, and resolves when the relay has taken it. */
  async setCauses(causes: readonly string[]): Promise<void> {
    const reloads = () => this.relay.log.filter(({ msg }) => msg === 'mappings reloaded').length
    const before = reloads()
    const mapping = { topics: TOPICS, preset: 'keycloak', causes }
    await replaceFile(this.#mappingFile, JSON.stringify({ mappings: [mapping] }))
    await this.relay.waitForLog(() => reloads() > before)
  }

  /** Runs a command of the relay beside it. */
  command(...args: readonly string[]): Promise<FinishedCommand> {
    return relayCommand(args, this.#environment)
  }

  /** Resolves when the relay has read a record like that, and all before it. */
  async hasRead(isMeant: (record: TopicRecord) => boolean): Promise<void> {
    await Promise.any([this.events.waitFor(isMeant), this.adminEvents.waitFor(isMeant)])
    await eventually(async () => {
      for (const topic of [this.events, this.adminEvents])
        if ((await topic.lag(GROUP)) > 0) throw new Error(`the relay has not read all of ${topic.name}`)
    })
  }

  /** Without a page, as programs do. Throws Keycloak's answer to a wrong password. */
  async logInDirectly(realm: string, clientId: string, name: string, password = PASSWORD) {
    const form = { grant_type: 'password', client_id: clientId, username: name, password }
    const url = `${this.keycloak.issuer(realm)}/protocol/openid-connect/token`
    const response = await fetch(url, { method: 'POST', body: new URLSearchParams(form) })
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
    return (await response.json()) as { session_state: string }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stop()
  }
}

interface Parts {
  readonly keycloak: KeycloakServer
  readonly events: TopicLog
  readonly adminEvents: TopicLog
  readonly outcomes: TopicLog
  readonly relay: RelayProcess
  readonly rps: RelyingParties
  readonly environment: Readonly<Record<string, string>>
  readonly mappingFile: string
}

function newKey(): string {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 })
  return privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
}

/** The client gets a `sub` of its own instead of the user's id. */
const pairwiseSubjects = {
  name: 'pairwise',
  protocol: 'openid-connect',
  protocolMapper: 'oidc-sha256-pairwise-sub-mapper',
  config: { pairwiseSubAlgorithmSalt: 'salt' },
}

/** RPs that are clients of the realm. Keycloak has no logout URI of theirs, so it tells them nothing itself. */
async function startRps(
  keycloak: KeycloakServer,
  realm: string,
  clientIds: readonly string[],
  stack: AsyncDisposableStack,
): Promise<RelyingParty[]> {
  const register = (client: ClientMetadata) =>
    keycloak.admin.createClient(realm, {
      ...{ clientId: client.client_id, secret: client.client_secret, publicClient: false },
      redirectUris: client.redirect_uris,
      ...(client.client_id === 'wiki' && { protocolMappers: [pairwiseSubjects] }),
      attributes: { 'post.logout.redirect.uris': client.post_logout_redirect_uris.join('##') },
    })
  const provider = { issuer: keycloak.issuer(realm), register }
  return Promise.all(
    clientIds.map(async (clientId) => {
      const authorizationParams = realm === 'partner' ? { kc_idp_hint: 'shop' } : {}
      const rp = await startRelyingParty({ provider, clientId, name: clientId, authorizationParams })
      stack.defer(() => rp.stop())
      return rp
    }),
  )
}
