import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { version } from '../../src/lib/version.ts'
import { freePort } from '../support/free-port.ts'
import { inputRecord } from '../support/input-record.ts'
import { LateServer } from '../support/late-server.ts'
import { ISSUER, type RelaySite } from '../support/relay-site.ts'
import { StatusViewer } from '../support/status-viewer.ts'
import { openSite } from './open-site.ts'

let site: RelaySite

beforeAll(async () => {
  site = await openSite({ topic: { partitions: 2 } })
})
afterAll(() => site.close())

test('the page is one piece that loads nothing, under a policy that allows nothing else', async () => {
  const relay = await site.startRelay()
  const response = await fetch(`${relay.url}/?x=1`)
  expect(response.status).toBe(200)
  const { headers } = response
  expect(headers.get('content-type')).toBe('text/html; charset=utf-8')
  expect(headers.get('x-content-type-options')).toBe('nosniff')
  expect(headers.get('referrer-policy')).toBe('no-referrer')
  const policy = headers.get('content-security-policy') ?? ''
  expect(policy).toContain("default-src 'none'")
  expect(policy).toContain("frame-ancestors 'none'")
  expect(policy).not.toContain('unsafe')
  const html = await response.text()
  expect(html).not.toMatch(/(src|href|action)="(https?:)?\/\//)
  const head = await fetch(`${relay.url}/`, { method: 'HEAD' })
  expect([head.status, await head.text()]).toEqual([200, ''])
  expect((await fetch(`${relay.url}/`, { method: 'POST' })).status).toBe(405)
  expect((await fetch(`${relay.url}/events`, { method: 'POST' })).status).toBe(405)
  const events = await fetch(`${relay.url}/events`, { method: 'HEAD' })
  expect(events.headers.get('content-type')).toContain('text/event-stream')
  await relay.stop()
})

test('what is sent, what fails, what is parked and why, without a word about a user or a session', async () => {
  const relay = await site.startRelay({ RETRY_MAX_ATTEMPTS: '100', RETRY_DOUBTFUL_DELAYS_MS: '0' })
  const viewer = await StatusViewer.open(relay)
  const fine = site.registration('/status/fine')
  const echoing = site.registration('/status/echoing')
  const dead = Array.from({ length: 20 }, () => site.registration('/status/dead'))
  site.rps.uri('/status/dead', 503)
  // An RP that tells whom it could not log out.
  site.rps.uri('/status/echoing', (_request, response) => {
    response
      .writeHead(403, { 'content-type': 'text/plain' })
      .end(`no ${echoing.sessionId} of ${echoing.userId}`)
  })
  const registrations = [fine, echoing, ...dead].map((it) => {
    return { ...it, backchannelLogoutUri: `${it.backchannelLogoutUri}?tenant=Qu3rySecret` }
  })
  await site.registerInRedis(...registrations)
  await site.topic.publish(
    ...registrations.map((it) => site.terminated(it)),
    inputRecord('session-terminated', { issuer: ISSUER, sessionId: 7, userId: 'user-in-poison' }),
  )
  const snapshot = await viewer.waitFor(({ throughput, relyingParties, failures, backlog }) => {
    const sent = throughput.outcomes.find(({ outcome }) => outcome === 'sent')
    const isParked = backlog.parked === 20 && relyingParties.rows[0]?.breaker === 'open'
    return sent?.total === 1 && isParked && failures.length >= 2
  })
  const host = `127.0.0.1:${site.rps.port}`
  expect(snapshot.relyingParties.rows[0]).toMatchObject({
    clientId: dead[0]?.clientId,
    parked: 20,
    problem: { host, error: 'HTTP 503' },
  })
  expect(snapshot.relyingParties.silent).toBe(1)
  expect(snapshot.failures).toContainEqual(
    expect.objectContaining({ kind: 'delivery', what: echoing.clientId, host, why: 'rejected: HTTP 403' }),
  )
  expect(snapshot.failures.find(({ kind }) => kind === 'dead-letter')?.why).toContain('sessionId')
  expect(snapshot.notReady).toEqual([])
  expect(snapshot.throughput.triggerToSent?.p50Ms).toBeGreaterThan(0)
  expect(snapshot.partitions.map(({ partition }) => partition).sort()).toEqual([0, 1])
  expect(snapshot).toMatchObject({ version, issuer: ISSUER, backlog: { rps: 1, isOld: false } })
  viewer.close()
  for (const { sessionId, userId, oidcSessionId } of registrations) {
    for (const secret of [sessionId, userId, oidcSessionId]) expect(viewer.text).not.toContain(secret)
  }
  for (const secret of ['Qu3rySecret', '/status/', 'eyJ', 'user-in-poison', ...site.privateKeyParts()]) {
    expect(viewer.text).not.toContain(secret)
  }
  await relay.stop()
})

test('an RP that is down is named with the deadline of what is parked for it; when it is back all of that is over', async () => {
  const relay = await site.startRelay({ RETRY_MAX_ATTEMPTS: '1000', RETRY_DEADLINE_MS: '3600000' })
  const viewer = await StatusViewer.open(relay)
  let status = 410
  const uri = site.rps.uri('/status/back', (_request, response) => void response.writeHead(status).end())
  const clientId = 'comes-back'
  const tell = async () => {
    const registration = site.registration('/status/back', { clientId, backchannelLogoutUri: uri })
    await site.registerInRedis(registration)
    await site.topic.publish(site.terminated(registration))
  }
  await tell()
  const failed = await viewer.waitFor(({ headline }) => headline.kind === 'failing')
  expect(failed.headline.title).toContain(clientId)
  expect(failed.failures.find(({ what }) => what === clientId)).toMatchObject({ isOver: false })
  status = 503
  await tell()
  const down = await viewer.waitFor(({ relyingParties }) =>
    relyingParties.troubled.some((it) => it.clientId === clientId && it.deadlineMs !== undefined),
  )
  const row = down.relyingParties.troubled.find((it) => it.clientId === clientId)
  expect(row).toMatchObject({ parked: 1, problem: { error: 'HTTP 503' } })
  expect(row?.deadlineMs).toBeGreaterThan(down.atMs + 3_500_000)
  expect(row?.deadlineMs).toBeLessThanOrEqual(down.atMs + 3_600_000)
  status = 200
  await viewer.waitFor(({ failures, relyingParties }) => {
    const isDown = relyingParties.troubled.some((it) => it.clientId === clientId)
    return !isDown && failures.some(({ what, isOver }) => what === clientId && isOver)
  })
  viewer.close()
  await relay.stop()
})

test('the twenty-first viewer is let in for the first, and a stop is not held up by them', async () => {
  const relay = await site.startRelay()
  const viewers: StatusViewer[] = []
  for (let i = 0; i < 21; i++) viewers.push(await StatusViewer.open(relay))
  await Promise.all(viewers.map((viewer) => viewer.waitFor(() => true)))
  await viewers[0]?.ended
  expect(await relay.stop()).toBe(0)
  await Promise.all(viewers.map(({ ended }) => ended))
})

test('Redis away: the page says so, and shows what was known of the backlog as old', async () => {
  const redis = new LateServer(await freePort(), inject('redisUrl'))
  await redis.open()
  try {
    const relay = await site.startRelay({ REDIS_URL: `redis://127.0.0.1:${redis.port}` })
    const viewer = await StatusViewer.open(relay)
    const known = await viewer.waitFor(({ backlog }) => backlog.readAtMs !== undefined)
    await redis.close()
    const away = await viewer.waitFor(({ notReady }) => notReady.some(({ part }) => part === 'redis'))
    expect(away.notReady).toContainEqual({ part: 'redis', reason: 'not connected' })
    const old = await viewer.waitFor(({ backlog }) => backlog.isOld)
    expect(old.backlog.readAtMs).toBeGreaterThanOrEqual(known.backlog.readAtMs ?? Infinity)
    await viewer.waitFor(({ failures }) => failures.some(({ kind }) => kind === 'fault'))
    await redis.open()
    const backAtMs = Date.now()
    await viewer.waitFor(({ atMs, notReady, backlog }) => {
      return atMs > backAtMs && notReady.length === 0 && !backlog.isOld
    })
    viewer.close()
    await relay.stop()
  } finally {
    await redis.close()
  }
})
