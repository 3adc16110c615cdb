import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { inputRecord } from '../support/input-record.ts'
import { IssuerServer } from '../support/issuer-server.ts'
import { readiness } from '../support/readiness.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import { ISSUER, type RelaySite } from '../support/relay-site.ts'
import { Examined } from '../support/run-doctor.ts'
import { privateJwk, replaceFile } from '../support/signing-key-file.ts'
import { StatusViewer } from '../support/status-viewer.ts'
import { openSite } from './open-site.ts'

let ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.reverse()) await end()
  ends = []
})

async function siteOf(env: Readonly<Record<string, string>> = {}): Promise<RelaySite> {
  const site = await openSite({ env: { CHECK_INTERVAL_MS: '100', ...env } })
  ends.push(() => site.close())
  return site
}

async function issuerOf(site: RelaySite): Promise<IssuerServer> {
  const issuer = await IssuerServer.listen()
  ends.push(async () => issuer[Symbol.asyncDispose]())
  issuer.keys = site.publicJwks().keys
  return issuer
}

/** The relay reads what its issuer publishes. */
const LOOKS = { SIGNING_KEYS_PUBLISHED_CHECK_MS: '1000' }

/** A relay that does not become ready by itself. */
async function startsNotReady(site: RelaySite, env: Readonly<Record<string, string>>) {
  const port = await freePort()
  const started = site.startRelay({ ...env, PORT: String(port) })
  started.catch(() => undefined)
  return { url: `http://127.0.0.1:${port}`, started }
}

const isNotReadyFor = (url: string, check: string, ...texts: string[]) =>
  eventually(async () => {
    const { status, body } = await readiness(url)
    expect(status).toBe(503)
    for (const text of texts) expect(body[check]).toContain(text)
    expect(await readMetric({ url }, 'check_findings', { check, severity: 'error' })).toBe(1)
  })

async function isOnPage(url: string, check: string, severity: string): Promise<void> {
  const viewer = await StatusViewer.open({ url })
  ends.push(async () => viewer.close())
  await viewer.waitFor(({ findings }) =>
    findings.some((it) => it.check === check && it.severity === severity),
  )
}

/** The headline names the cause, and only then what waits for it. */
async function leadsWith(url: string, cause: string): Promise<void> {
  const viewer = await StatusViewer.open({ url })
  ends.push(async () => viewer.close())
  const { headline } = await viewer.waitFor(({ notReady }) => notReady.some(({ part }) => part === 'kafka'))
  expect(headline.title).toContain(cause)
  expect(headline.text).toContain('Kafka')
}

const isReady = (url: string) => eventually(async () => expect((await readiness(url)).status).toBe(200))

/** One delivery is parked at an RP that is down, one trigger is on the topic and not read. */
async function leavesWork(site: RelaySite, env: Readonly<Record<string, string>>, issuer: string) {
  site.rps.uri('/parked', 503)
  const parked = site.registration('/parked', { issuer })
  const unread = site.registration('/unread', { issuer })
  const first = await site.startRelay({ ...env, ISSUER: issuer })
  await site.topic.publish(
    site.registered(parked),
    site.registered(unread),
    inputRecord('session-terminated', { issuer, sessionId: parked.sessionId }),
  )
  const backlog = `${site.prefix}:backlog:{${issuer}|${parked.clientId}}`
  await eventually(async () => {
    expect(await site.redis.zcard(backlog)).toBe(1)
    expect(await site.redis.exists(`${site.prefix}:session:{${issuer}|${unread.sessionId}}`)).toBe(1)
    expect(await site.topic.lag(site.groupId)).toBe(0)
  })
  await first.stop()
  await site.topic.publish(inputRecord('session-terminated', { issuer, sessionId: unread.sessionId }))
  site.rps.uri('/parked', 200)
  return { backlog, parked, unread }
}

/** Nothing was taken up: the trigger stands unread, and what is parked is as it was. */
async function tookNothing(site: RelaySite, backlog: string, before: string[], attempts: number) {
  expect(await site.topic.lag(site.groupId)).toBe(1)
  expect(await site.redis.zrangebyscore(backlog, '-inf', '+inf', 'WITHSCORES')).toEqual(before)
  expect(site.rps.at('/parked')).toHaveLength(attempts)
  expect(site.rps.at('/unread')).toEqual([])
  expect(site.topic.outcomes).toEqual([])
}

describe('an issuer with a slash too many', () => {
  test('by its own metadata: nothing is taken up; with the right one everything is delivered', async () => {
    const site = await siteOf(LOOKS)
    const issuer = await issuerOf(site)
    const { backlog, parked, unread } = await leavesWork(site, {}, issuer.url)
    const before = await site.redis.zrangebyscore(backlog, '-inf', '+inf', 'WITHSCORES')
    const attempts = site.rps.at('/parked').length

    const wrong = await startsNotReady(site, { ISSUER: `${issuer.url}/` })
    // Of two parts, the metadata and Redis.
    await eventually(async () => {
      const { status, body } = await readiness(wrong.url)
      expect(status).toBe(503)
      const byte = issuer.url.length + 1
      for (const text of [issuer.url, `${issuer.url}/`, `byte ${byte}: `, '»/«'])
        expect(body['issuer-known']).toContain(text)
      expect(await readMetric(wrong, 'check_findings', { check: 'issuer-known', severity: 'error' })).toBe(2)
    })
    await isOnPage(wrong.url, 'issuer-known', 'error')
    await leadsWith(wrong.url, `${issuer.url}/`)
    await tookNothing(site, backlog, before, attempts)
    const examined = await Examined.by(site.commandEnvironment({ ISSUER: `${issuer.url}/` }))
    expect(examined.of('issuer-known').filter((it) => it.startsWith('error'))).toHaveLength(2)

    await site.startRelay({ ISSUER: issuer.url })
    for (const { clientId } of [parked, unread])
      expect((await site.topic.waitForOutcome(clientId)).data).toMatchObject({ status: 200 })
  })

  test('by the sessions in Redis: the same, and the remedy shows both', async () => {
    const site = await siteOf()
    const { backlog, parked, unread } = await leavesWork(site, {}, ISSUER)
    const before = await site.redis.zrangebyscore(backlog, '-inf', '+inf', 'WITHSCORES')
    const attempts = site.rps.at('/parked').length
    const wrong = await startsNotReady(site, { ISSUER: `${ISSUER}/` })
    await isNotReadyFor(wrong.url, 'issuer-known', ISSUER, `${ISSUER}/`, '»/«', 'REDIS_PREFIX')
    await tookNothing(site, backlog, before, attempts)
    await site.startRelay()
    for (const { clientId } of [parked, unread]) await site.topic.waitForOutcome(clientId)
  })

  test('that comes up while the relay runs pauses it, and it goes on by itself', async () => {
    const site = await siteOf(LOOKS)
    const issuer = await issuerOf(site)
    const relay = await site.startRelay({ ISSUER: issuer.url })
    await relay.waitForLog(({ msg }) => msg === 'consuming')
    issuer.named = `${issuer.url}/`
    await isNotReadyFor(relay.url, 'issuer-known', `${issuer.url}/`)
    // It is said once, and the line may come after the answer.
    await relay.waitForLog(({ check }) => check === 'issuer-known')
    const registration = site.registration('/later', { issuer: issuer.url })
    await site.topic.publish(
      site.registered(registration),
      inputRecord('session-terminated', { issuer: issuer.url, sessionId: registration.sessionId }),
    )
    const looks = relay.log.length
    await isNotReadyFor(relay.url, 'issuer-known', `${issuer.url}/`)
    expect(await site.topic.lag(site.groupId)).toBe(2)
    expect(relay.log.slice(looks).filter(({ check }) => check === 'issuer-known')).toEqual([])
    issuer.named = undefined
    await isReady(relay.url)
    expect((await site.topic.waitForOutcome(registration.clientId)).data).toMatchObject({ status: 200 })
    expect(await relay.stop()).toBe(0)
  })

  test('a relay that is held up still drains and ends', async () => {
    const site = await siteOf()
    await site.registerInRedis(site.registration('/nobody'))
    const relay = await site.launchRelay({ ISSUER: `${ISSUER}/` })
    await relay.waitForLog(({ check }) => check === 'issuer-known')
    expect(await relay.stop()).toBe(0)
  })
})

test('of several issuers the one that is named otherwise waits, and the others go on', async () => {
  const site = await siteOf({ ...LOOKS, ISSUER: '', SIGNING_KEYS_FILE: '' })
  const [ill, well] = [await issuerOf(site), await issuerOf(site)]
  const key = privateJwk('rsa', 'one')
  await mkdir(join(site.folder, 'keys'))
  const file = join(site.folder, 'issuers.json')
  for (const [i, issuer] of [ill, well].entries()) {
    await replaceFile(join(site.folder, 'keys', `${i}.json`), JSON.stringify({ keys: [key] }))
    issuer.keys = [key].map(({ kty, n, e, kid }) => ({ kty, n, e, kid }))
  }
  const entries = [ill, well].map(({ url }, i) => ({ issuer: url, keys: { file: `keys/${i}.json` } }))
  await replaceFile(file, JSON.stringify({ issuers: entries }))
  ill.named = 'https://login.example.com'
  const relay = await site.startRelay({ ISSUERS_FILE: file })
  const told = await relay.waitForLog(({ check }) => check === 'issuer-known')
  expect(told).toMatchObject({ level: 'warn', about: ill.url })

  const [parked, sent] = [ill, well].map(({ url }, i) => site.registration(`/of-${i}`, { issuer: url }))
  if (parked === undefined || sent === undefined) throw new Error('two were registered')
  for (const { issuer, ...it } of [parked, sent])
    await site.topic.publish(
      inputRecord('backchannel-logout-registered', { ...it, issuer }),
      inputRecord('session-terminated', { issuer, sessionId: it.sessionId }),
    )
  await site.topic.waitForOutcome(sent.clientId)
  const backlog = `${site.prefix}:backlog:{${ill.url}|${parked.clientId}}`
  await eventually(async () => expect(await site.redis.zcard(backlog)).toBe(1))
  expect((await readiness(relay.url)).status).toBe(200)
  expect(site.rps.at('/of-0')).toEqual([])
  const viewer = await StatusViewer.open(relay)
  ends.push(async () => viewer.close())
  const { headline, findings } = await viewer.waitFor(
    ({ relyingParties }) => relyingParties.withheld.parked > 0,
  )
  expect(headline).toMatchObject({ kind: 'withheld', tone: 'bad' })
  expect(findings.find(({ check }) => check === 'issuer-known')).toMatchObject({ about: ill.url })
  ill.named = undefined
  expect((await site.topic.waitForOutcome(parked.clientId)).data).toMatchObject({ status: 200, attempts: 1 })
})

test('what is parked for an issuer that is not known here is neither failed nor touched, whatever else goes on', async () => {
  const site = await siteOf()
  const other = 'https://other.test.example'
  const { backlog, unread } = await leavesWork(site, {}, other)
  const before = await site.redis.zrangebyscore(backlog, '-inf', '+inf', 'WITHSCORES')
  const state = await site.redis.hgetall(backlog.replace(':backlog:', ':backlog-state:'))
  const attempts = site.rps.at('/parked').length
  await site.registerInRedis(site.registration('/alive'))
  const relay = await site.startRelay()
  await relay.waitForLog(({ msg, issuer }) => issuer === other && String(msg).startsWith('skipped'))
  const labels = { type: 'session-terminated', result: 'unknown-issuer' }
  await eventually(async () => expect(await readMetric(relay, 'triggers_total', labels)).toBe(1))
  // Deliveries of its own, which are parked and claimed meanwhile.
  site.rps.uri('/own', 503)
  const own = site.registration('/own')
  await site.topic.publish(site.registered(own), site.terminated(own))
  await site.rps.waitFor('/own', 4)
  site.rps.uri('/own', 200)
  await site.topic.waitForOutcome(own.clientId)
  expect(await site.redis.zrangebyscore(backlog, '-inf', '+inf', 'WITHSCORES')).toEqual(before)
  expect(await site.redis.hgetall(backlog.replace(':backlog:', ':backlog-state:'))).toEqual(state)
  expect(site.rps.at('/parked')).toHaveLength(attempts)
  expect(site.topic.outcomes.map(({ data }) => data.clientId)).toEqual([own.clientId])
  expect(await site.redis.exists(`${site.prefix}:session:{${other}|${unread.sessionId}}`)).toBe(1)
})

describe('a key that the issuer does not publish', () => {
  const DELAYS = { RETRY_DOUBTFUL_DELAYS_MS: '50' }

  async function logsOut(site: RelaySite, issuer: IssuerServer, path: string) {
    const isPublished = (kid: unknown) => (issuer.keys as { kid: string }[]).some((key) => key.kid === kid)
    site.rps.uri(path, ({ header }, response) =>
      response.writeHead(isPublished(header.kid) ? 200 : 400).end(),
    )
    const registration = site.registration(path, { issuer: issuer.url })
    await site.topic.publish(
      site.registered(registration),
      inputRecord('session-terminated', { issuer: issuer.url, sessionId: registration.sessionId }),
    )
    return registration
  }

  const isTold = async ({ url }: Pick<RelayProcess, 'url'>) => {
    await isNotReadyFor(url, 'key-published', 'test-rsa', 'JWK set')
    await isOnPage(url, 'key-published', 'error')
  }

  test('at the start: told at once and everywhere; refusals use up nothing, and end when it is published', async () => {
    const site = await siteOf({ ...LOOKS, ...DELAYS, SIGNING_KEYS_PUBLISHED_CHECK_MS: '3600000' })
    const issuer = await issuerOf(site)
    const { keys } = issuer
    issuer.keys = []
    // It is told before the group has its first positions, and what stands before these would be over.
    const env = { ISSUER: issuer.url, KAFKA_START_FROM: 'earliest' }
    const { url, started } = await startsNotReady(site, env)
    await isTold({ url })
    expect(await readMetric({ url }, 'signing_key_published', { kid: 'test-rsa', signs: 'now' })).toBe(0)
    const { clientId } = await logsOut(site, issuer, '/verifies')
    // One refusal is doubted, and the second would be the end.
    await site.rps.waitFor('/verifies', 4)
    expect(site.topic.outcomes).toEqual([])
    issuer.keys = keys
    const relay = await started
    expect((await site.topic.waitForOutcome(clientId)).data).toMatchObject({ status: 200, attempts: 1 })
    const told = relay.log.filter(({ check, msg }) => check === 'key-published' && msg === 'check')
    expect(told.find(({ level }) => level === 'error')).toMatchObject({
      about: 'test-rsa',
      remedy: expect.stringContaining('/jwks.json'),
    })
  })

  test('after a reload: told with the next look at the file; published again, refusals count as ever', async () => {
    const site = await siteOf({ ...LOOKS, ...DELAYS, SIGNING_KEYS_PUBLISHED_CHECK_MS: '3600000' })
    const issuer = await issuerOf(site)
    const relay = await site.startRelay({ ISSUER: issuer.url })
    await site.writeKeys(privateJwk('rsa', 'test-rsa'), privateJwk('ec', 'test-ec'))
    await isTold(relay)
    const { clientId } = await logsOut(site, issuer, '/rotated')
    issuer.keys = site.publicJwks().keys
    await isReady(relay.url)
    expect((await site.topic.waitForOutcome(clientId)).data).toMatchObject({ status: 200 })
    site.rps.uri('/refuses', 400)
    const refused = site.registration('/refuses', { issuer: issuer.url })
    await site.topic.publish(
      site.registered(refused),
      inputRecord('session-terminated', { issuer: issuer.url, sessionId: refused.sessionId }),
    )
    const { data } = await site.topic.waitForOutcome(refused.clientId)
    expect(data).toMatchObject({ reason: 'rejected', attempts: 2 })
  })
})

test('a misspelt record type is told once, with its position and what it was meant to be; others are worth a hint', async () => {
  const site = await siteOf()
  const relay = await site.startRelay()
  const registration = site.registration('/misspelt')
  const { sessionId } = registration
  await site.topic.publish(
    site.registered(registration),
    ...['session.terminated', 'session.terminated', 'order-placed'].map((type) =>
      inputRecord(type, { issuer: ISSUER, sessionId }, { format: 'plain-json' }),
    ),
  )
  const line = await relay.waitForLog(
    ({ check, about }) => check === 'record-type' && about === 'session.terminated',
  )
  expect(line).toMatchObject({
    level: 'warn',
    text: expect.stringMatching(new RegExp(`session\\.terminated.*${site.topic.name}/\\d+/\\d+`)),
    remedy: expect.stringContaining('session-terminated'),
  })
  await relay.waitForLog(({ about, level }) => about === 'order-placed' && level === 'info')
  const count = (severity: string) => readMetric(relay, 'check_findings', { check: 'record-type', severity })
  await eventually(async () => expect([await count('warning'), await count('hint')]).toEqual([1, 1]))
  expect(relay.log.filter(({ about }) => about === 'session.terminated')).toHaveLength(1)
  expect((await readiness(relay.url)).status).toBe(200)
})
