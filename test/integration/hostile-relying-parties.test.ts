import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type HostileAnswer, hostileAnswers } from '../support/hostile-answers.ts'
import { HostileServer } from '../support/hostile-server.ts'
import { PATIENCE_MS } from '../support/patience.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import type { RegistrationInput, RelaySite } from '../support/relay-site.ts'
import { end } from '../support/relying-party-server.ts'
import { openSite } from './open-site.ts'

/** Long enough that a hundred logouts to an RP that is well take less than two of them on a busy machine. */
const ATTEMPT_TIMEOUT_MS = 4_000
const ATTEMPTS_MAX = 2
const RETRY_AFTER_MAX_MS = 300
const IN_FLIGHT_PER_RP = 8

let site: RelaySite
let relay: RelayProcess

beforeAll(async () => {
  site = await openSite({
    env: {
      // The relay is to have no fault at all: a machine that stands still for three seconds must not cost it the group.
      KAFKA_SESSION_TIMEOUT_MS: '15000',
      ATTEMPT_TIMEOUT_MS: String(ATTEMPT_TIMEOUT_MS),
      MAX_IN_FLIGHT_PER_RP: String(IN_FLIGHT_PER_RP),
      RETRY_MAX_ATTEMPTS: String(ATTEMPTS_MAX),
      RETRY_MAX_DELAY_MS: '40',
      RETRY_AFTER_MAX_MS: String(RETRY_AFTER_MAX_MS),
      RETRY_DOUBTFUL_DELAYS_MS: '0',
      BREAKER_FAILURES: '1000',
    },
  })
  relay = await site.startRelay()
})
afterAll(() => site.close())

/** One RP for each hostile answer, on a server of its own. */
async function openRelyingParties() {
  const opened = hostileAnswers.map(async (answer) => {
    const server = await HostileServer.plain(answer.behaviour)
    return { ...answer, server, clientId: `hostile-${new URL(server.uri()).port}`, uri: server.uri() }
  })
  const rps = await Promise.all(opened)
  onTestFinished(() => {
    for (const { server } of rps) server.close()
  })
  return rps
}

/** Every attempt at it takes the whole time-out. */
function isHanging({ isSlow, means }: HostileAnswer): boolean {
  return isSlow === true && typeof means !== 'number'
}

/** How the delivery ends to an RP whose every answer means that. */
function outcomeOf(means: number | RegExp): Record<string, unknown> {
  if (means === 200 || means === 204) return { status: means, attempts: 1 }
  if (means === 403) return { reason: 'rejected', lastStatus: means, attempts: 1 }
  const lastError = expect.stringMatching(typeof means === 'number' ? `^HTTP ${means}` : means)
  return { reason: 'exhausted', attempts: ATTEMPTS_MAX, lastError }
}

/** Each of these users has a session, and each session a registration at all of the RPs. */
async function register(sessions: number, rps: readonly { clientId: string; uri: string }[]) {
  const sessionIds = Array.from({ length: sessions }, () => randomUUID())
  const registrations: RegistrationInput[] = sessionIds.flatMap((sessionId) =>
    rps.map(({ clientId, uri }) =>
      site.registration('/', { sessionId, clientId, backchannelLogoutUri: uri }),
    ),
  )
  await site.registerInRedis(...registrations)
  return sessionIds
}

test('every kind at once: each delivery ends as it should, and an RP that is well is told before the first is given up', async () => {
  const hostile = await openRelyingParties()
  const sessionIds = await register(1, hostile)
  const well = { clientId: 'well', uri: site.rps.uri('/well') }
  const wellSessionIds = await register(100, [well])
  await site.topic.publish(
    ...[...sessionIds, ...wellSessionIds].map((sessionId) => site.terminated({ sessionId })),
  )

  await site.rps.waitFor('/well', 100)
  const hanging = new Set(hostile.filter(isHanging).map(({ clientId }) => clientId))
  expect(site.topic.outcomes.filter(({ data }) => hanging.has(String(data.clientId)))).toEqual([])

  const got: Record<string, unknown> = {}
  const wanted: Record<string, unknown> = {}
  for (const { name, clientId, means, server } of hostile) {
    const { data } = await site.topic.waitForOutcome(clientId)
    got[name] = { ...data, isOneConnectionPerAttempt: server.accepted <= Number(data.attempts) }
    wanted[name] = expect.objectContaining({ ...outcomeOf(means), isOneConnectionPerAttempt: true })
  }
  expect(got).toEqual(wanted)
  for (const sessionId of wellSessionIds) {
    const { data } = await site.topic.waitForOutcome(well.clientId, sessionId)
    expect(data).toMatchObject({ status: 200, attempts: 1 })
  }
  // Those that brought a whole answer are kept for a few seconds.
  const left = async () => {
    const counts = await Promise.all(hostile.map(({ server }) => server.clientSockets()))
    return hostile.filter((_, i) => counts[i] !== 0).map(({ name }) => name)
  }
  await expect.poll(left, { interval: 200 }).toEqual([])
  expect(await readMetric(relay, 'faults_total')).toBe(0)
})

test('a mass logout at hostile RPs opens few connections to each, and one that is well is told of all', async () => {
  const sessions = 60
  const hostile = (await openRelyingParties()).filter(({ name }) =>
    /never answered|never read|a storm of interim|endless headers|reset when accepted|body of one byte/.test(
      name,
    ),
  )
  expect(hostile).toHaveLength(6)
  const well = { clientId: 'mass', uri: site.rps.uri('/mass') }
  const sessionIds = await register(sessions, [...hostile, well])
  const openMax = new Map<string, number>()
  const watch = async () => {
    for (const { name, server } of hostile) {
      openMax.set(name, Math.max(openMax.get(name) ?? 0, await server.clientSockets()))
    }
    return Math.min(...hostile.map(({ server }) => server.accepted))
  }
  await site.topic.publish(...sessionIds.map((sessionId) => site.terminated({ sessionId })))
  await expect.poll(watch, { interval: 10 }).toBeGreaterThan(IN_FLIGHT_PER_RP)
  await site.rps.waitFor('/mass', sessions)
  for (const [name, open] of openMax) {
    // A connection that has just been left is closed while the next one is made.
    expect({ name, open, isFew: open <= 2 * IN_FLIGHT_PER_RP }).toMatchObject({ isFew: true })
  }
})

describe.concurrent('Retry-After', () => {
  test.for([
    { value: '99999999', fromMs: RETRY_AFTER_MAX_MS },
    { value: '9'.repeat(400), fromMs: RETRY_AFTER_MAX_MS },
    { value: 'Tue, 31 Dec 2999 23:59:59 GMT', fromMs: RETRY_AFTER_MAX_MS },
    { value: ['99999999', '0'], fromMs: RETRY_AFTER_MAX_MS },
    { value: '-99999999', fromMs: 0 },
    { value: '1e9', fromMs: 0 },
    { value: '0x7fffffff', fromMs: 0 },
    { value: 'Thu, 01 Jan 1970 00:00:00 GMT', fromMs: 0 },
    { value: 'when the cows come home', fromMs: 0 },
    { value: '', fromMs: 0 },
  ])('$value is bounded', async ({ value, fromMs }, { expect }) => {
    const path = `/later-${randomUUID()}`
    let requests = 0
    const uri = site.rps.uri(path, (_request, response) => {
      if (++requests > 1) end(response, 200)
      else end(response.setHeader('retry-after', value), 503)
    })
    const [sessionId = ''] = await register(1, [{ clientId: path, uri }])
    await site.topic.publish(site.terminated({ sessionId }))
    expect((await site.topic.waitForOutcome(path)).data).toMatchObject({ status: 200, attempts: 2 })
    const [first, second] = site.rps.at(path).map(({ atMs }) => atMs) as [number, number]
    expect(second - first).toBeGreaterThanOrEqual(fromMs - 1)
    expect(second - first).toBeLessThan(RETRY_AFTER_MAX_MS + PATIENCE_MS)
  })
})

test.each([301, 303, 307, 308])(
  'a chain of redirects (%i) is not followed, wherever it leads',
  async (status) => {
    const { port } = site.rps
    const [start, next] = [`/start-${status}`, `/next-${status}`]
    const targets = [
      next,
      `http://localhost:${port}${next}`,
      `http://0x7f.1:${port}${next}`,
      `//127.0.0.1:${port}${next}`,
    ]
    site.rps.uri(next, (_request, response) => end(response, status, { location: start }))
    const rps = targets.map((location, i) => ({
      clientId: `redirect-${status}-${i}`,
      uri: site.rps.uri(`${start}-${i}`, (_request, response) => end(response, status, { location })),
    }))
    const [sessionId = ''] = await register(1, rps)
    await site.topic.publish(site.terminated({ sessionId }))
    for (const { clientId } of rps) {
      const { data } = await site.topic.waitForOutcome(clientId)
      expect(data).toMatchObject({ reason: 'rejected', lastStatus: status, attempts: 1 })
    }
    expect(site.rps.at(next)).toEqual([])
  },
)

test('after all of that the relay is ready, and leaves in order', async () => {
  expect((await fetch(`${relay.url}/readyz`)).status).toBe(200)
  expect(await relay.stop()).toBe(0)
})
