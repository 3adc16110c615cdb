import { layout } from '../config/config.ts'
import { readIssuersFile } from '../config/issuers-file.ts'
import type { EachOption } from '../config/read-each-option.ts'
import { ClientPolicy } from '../delivery/client-policy.ts'
import { lookAt } from '../diagnosis/check.ts'
import type { Area } from '../diagnosis/check-names.ts'
import { optionChecks, processChecks } from '../diagnosis/configuration.ts'
import { Examination, type ExaminedFinding } from '../diagnosis/examination.ts'
import { examineIssuer } from '../diagnosis/examine-issuer.ts'
import { examineKafka } from '../diagnosis/examine-kafka.ts'
import { examineRedis } from '../diagnosis/examine-redis.ts'
import { examineRelyingParty } from '../diagnosis/examine-relying-party.ts'
import { error, type Found, ok, unknown } from '../diagnosis/finding.ts'
import { checkRpSettings } from '../diagnosis/relying-party.ts'
import { EgressGuard, type EgressPolicy } from '../egress/egress-guard.ts'
import { fetchDocument } from '../egress/fetch-document.ts'
import { NameResolver } from '../egress/name-resolver.ts'
import type { AttemptResult } from '../egress/sender.ts'
import { tlsHandshake } from '../egress/tls-handshake.ts'
import { UndiciSender } from '../egress/undici-sender.ts'
import { endpointProblem, type LogoutEndpoint, logoutEndpoint } from '../events/logout-endpoint.ts'
import { InputTopics } from '../intake/input-topics.ts'
import { type IssuerSettings, isPattern, tenantSettings } from '../issuers/issuer-settings.ts'
import type { Issuers } from '../issuers/issuers.ts'
import { KeyFileOwners } from '../issuers/key-file-owners.ts'
import { tenantsWithKeys } from '../issuers/tenant-key-files.ts'
import { KafkaFactsReader } from '../kafka/kafka-facts-reader.ts'
import { KafkaLogReader } from '../kafka/kafka-log-reader.ts'
import type { KafkaTopics } from '../kafka/kafka-topics.ts'
import { systemClock } from '../lib/clock.ts'
import { counted } from '../lib/counted.ts'
import { delay } from '../lib/deferred.ts'
import { codeOf, messageOf } from '../lib/errors.ts'
import { tcpConnect } from '../lib/tcp-connect.ts'
import type { RedisConnection } from '../redis/redis-connection.ts'
import { RedisFactsReader } from '../redis/redis-facts.ts'
import { RedisKeys } from '../redis/redis-keys.ts'
import { RedisRpSettings } from '../redis/redis-rp-settings.ts'
import { emptyLogout } from '../transports/backchannel-logout/backchannel-logout.ts'
import { expectedLayout, expectedOf, processFacts } from './create-checkup.ts'
import { createIssuers, issuersLayout } from './create-issuers.ts'
import { fileProblems } from './file-problems.ts'
import { readRuleUse } from './read-rule-use.ts'
import { RecordMapping } from './record-mapping.ts'
import { webhookTopics } from './webhook-intake.ts'

/** Closed by closing `topics`. */
export interface OpenedKafka {
  readonly kafka: ConstructorParameters<typeof KafkaLogReader>[0]
  readonly topics: KafkaTopics
}

export interface DoctorParts {
  readonly configuration: EachOption
  /** The RP to look at, if any. */
  readonly rp?: { readonly uri: string; readonly clientId?: string }
  /** Throws when none of the brokers answers. */
  readonly openKafka: (brokers: readonly string[]) => Promise<OpenedKafka>
  /** Throws when Redis does not answer. Asked once; it is closed by whoever gives it. */
  readonly openRedis: () => Promise<RedisConnection>
}

const CONNECT_TIMEOUT_MS = 5_000
const NO_REGISTRY = { url: undefined, username: undefined, password: undefined, tls: { caFile: undefined } }
/** Each is three requests to somebody else. */
const EXAMINED_ISSUERS_MAX = 50
const DOCUMENT_LIMITS = { timeoutMs: 10_000, bytesMax: 1_024 * 1_024 }

/** Examines everything that the configuration names, side by side, and returns what was found in order of areas. */
export async function examineAll(parts: DoctorParts): Promise<readonly ExaminedFinding[]> {
  const areas = await Promise.all([
    configuration(parts.configuration),
    kafka(parts),
    redis(parts),
    issuer(parts.configuration),
    ...(parts.rp === undefined ? [] : [relyingParty(parts, parts.rp)]),
  ])
  return areas.flat()
}

async function configuration(configured: EachOption): Promise<readonly ExaminedFinding[]> {
  const notes = new Examination('configuration')
  await notes.make(lookAt(optionChecks, () => configured.problems))
  const broken = await fileProblems(configured.part)
  for (const { check, text, remedy } of broken) notes.note(check, error(text, remedy))
  const checks = processChecks.filter(({ name }) => broken.every(({ check }) => check !== name))
  await notes.make(lookAt(checks, () => processFacts(configured.part(layout.mode))))
  return notes.all
}

/** Without rules where the file is not valid, which the examination of the configuration tells. */
async function openedMapping({ part }: EachOption): Promise<RecordMapping> {
  const mapping = new RecordMapping({
    mappingFile: part(layout.records.mappingFile),
    schemaRegistry: part(layout.records.schemaRegistry) ?? NO_REGISTRY,
  })
  await mapping.open().catch(() => undefined)
  return mapping
}

/** Without its options an area cannot be examined. */
function notConfigured(area: Area): readonly ExaminedFinding[] {
  const notes = new Examination(area)
  notes.noteUnknown('its options are invalid: see the findings of configuration')
  return notes.all
}

async function kafka({ configuration, openKafka }: DoctorParts): Promise<readonly ExaminedFinding[]> {
  const { brokers, deadLetterTopic, isTls, outcomeTopic, sasl, topics } = layout.kafka
  const config = configuration.part({
    ...expectedLayout,
    kafka: { ...expectedLayout.kafka, brokers, isTls, topics },
  })
  if (config === undefined) return notConfigured('kafka')
  const ofWebhooks = await webhookTopics(configuration.part(layout.intake.file), config.kafka.topics)
  const names = {
    outcome: configuration.part(outcomeTopic),
    deadLetter: configuration.part(deadLetterTopic),
    isShadow: configuration.part(layout.mode) === 'shadow',
  }
  const mapping = await openedMapping(configuration)
  const security = { isTls: config.kafka.isTls, mechanism: configuration.part(sasl.mechanism) }
  return examineKafka({
    bootstrap: config.kafka.brokers,
    security,
    expected: expectedOf(config, { kafka: { ...config.kafka, sasl: security } }),
    nowMs: systemClock.now(),
    schemas: async () => mapping.schemas?.look(),
    connect: (host, port) => tcpConnect(host, port, CONNECT_TIMEOUT_MS),
    open: async (brokers) => {
      const { kafka, topics } = await openKafka(brokers)
      const inputs = new InputTopics(config.kafka.topics, topics)
      inputs.makeOptional(ofWebhooks)
      // Which issuer is meant does not matter to the rules.
      const decoders = mapping.decoders((name) => name ?? '')
      const readRules = async () => {
        await inputs.look()
        const reader = new KafkaLogReader(kafka, topics, { prepare: decoders.prepare })
        return readRuleUse({ decoders, inputs, mapping, reader })
      }
      return new KafkaFactsReader({
        names: { ...names, inputs },
        groupId: config.kafka.groupId,
        topics,
        ...(mapping.decoder.mappings.length > 0 && { readRules }),
      })
    },
  })
}

async function redis({ configuration, openRedis }: DoctorParts): Promise<readonly ExaminedFinding[]> {
  const { url, password, prefix: keyPrefix } = layout.redis
  const config = configuration.part({
    ...expectedLayout,
    mode: layout.mode,
    redis: { url, prefix: keyPrefix },
  })
  if (config === undefined) return notConfigured('redis')
  const { url: redisUrl, prefix } = config.redis
  const issuers = await configuredIssuers(configuration)
  const expected = expectedOf(config, { issuersFile: configuration.part(layout.issuers.file), issuers })
  const keys = new RedisKeys(prefix, config.mode)
  return examineRedis({
    redisUrl,
    hasPassword: configuration.part(password) !== undefined,
    expected,
    open: async () => {
      const redis = await openRedis()
      return new RedisFactsReader({
        groupId: expected.groupId,
        keys,
        // Without issuers, which is told elsewhere, nobody's keys are somebody else's.
        knowsIssuer: (issuer) => issuers?.knows(issuer) ?? true,
        redis,
        prefix,
        leavesNoTrace: true,
      })
    },
  })
}

async function issuer({ part }: EachOption): Promise<readonly ExaminedFinding[]> {
  const parts = { clock: systemClock, fetchDocument: (uri: string) => fetchDocument(uri, DOCUMENT_LIMITS) }
  const file = part(layout.issuers.file)
  if (file === undefined) {
    const [issuer, signingKeysFile] = [part(layout.issuers.issuer), part(layout.issuers.signingKeysFile)]
    return examineIssuer({ ...parts, issuer, signingKeysFile })
  }
  const notes = new Examination('issuer')
  try {
    const { settings } = await readIssuersFile(file)
    const owners = new KeyFileOwners(() => systemClock.monotonic())
    owners.use(settings)
    const chosen = await examinedIssuers(settings)
    const left = settings.filter((it) => !chosen.some(({ place }) => place === it.place)).length
    const more =
      left === 0
        ? ''
        : `; ${left} of them (patterns without a key file, disabled, or beyond ${EXAMINED_ISSUERS_MAX}) are not examined`
    notes.note('issuers-file', ok(`${counted(settings.length, 'issuer')}${more}`))
    const examined = await Promise.all(
      chosen.map(async (own) => {
        const { alg, issuer, keysFile, place } = own
        const findings = await examineIssuer({
          ...{ ...parts, alg, issuer, place, keysBounds: owners.bounds(own) },
          signingKeysFile: keysFile,
        })
        return findings
          .filter(({ check }) => check !== 'issuers-file')
          .map((it) => ({
            ...it,
            about: it.about === undefined ? issuer : `${issuer} ${it.about}`,
          }))
      }),
    )
    return [...notes.all, ...examined.flat()]
  } catch (reason) {
    if (codeOf(reason) !== 'LR_ISSUERS_INVALID') throw reason
    notes.note(
      'issuers-file',
      error(messageOf(reason), 'correct ISSUERS_FILE: a relay would not start with it'),
    )
    notes.noteUnknown('ISSUERS_FILE is not valid')
    return notes.all
  }
}

/** Those with a line of their own first, then tenants that have a key file. */
async function examinedIssuers(settings: readonly IssuerSettings[]): Promise<readonly IssuerSettings[]> {
  const enabled = settings.filter((it) => it.isEnabled)
  const listed = new Set(settings.map(({ issuer }) => issuer))
  const chosen = enabled.filter((it) => !isPattern(it)).slice(0, EXAMINED_ISSUERS_MAX)
  // The most specific first, which is the one that means a tenant of several.
  const patterns = enabled.filter(isPattern).sort((a, b) => b.issuer.length - a.issuer.length)
  for (const pattern of patterns) {
    for (const tenant of await tenantsWithKeys(pattern, EXAMINED_ISSUERS_MAX - chosen.length)) {
      const issuer = pattern.issuer.replace('{tenant}', tenant)
      if (listed.has(issuer)) continue
      listed.add(issuer)
      chosen.push(tenantSettings(pattern, tenant, issuer))
    }
  }
  return chosen
}

async function relyingParty(
  parts: DoctorParts,
  { uri, clientId }: { uri: string; clientId?: string },
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

/** `undefined` where they are configured wrong, which is told elsewhere. */
async function configuredIssuers(
  configuration: EachOption,
  egress?: EgressPolicy,
): Promise<Issuers | undefined> {
  const config = configuration.part(issuersLayout)
  if (config === undefined) return undefined
  const issuers = createIssuers({ ...config, ...(egress !== undefined && { egress }) }, systemClock)
  try {
    await issuers.open()
    return issuers
  } catch {
    return undefined
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
  { configuration, openRedis }: DoctorParts,
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
