import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PATIENCE_MS } from '../support/patience.ts'
import type { RelaySite } from '../support/relay-site.ts'
import { type Answer, end } from '../support/relying-party-server.ts'
import { openSite } from './open-site.ts'

const RETRY_AFTER_MAX_MS = 1_300

let site: RelaySite

beforeAll(async () => {
  site = await openSite({
    env: { RETRY_DOUBTFUL_DELAYS_MS: '150,300', RETRY_AFTER_MAX_MS: String(RETRY_AFTER_MAX_MS) },
  })
  await site.startRelay()
})
afterAll(() => site.close())

/** Has one delivery made to an RP that answers like that, and returns its outcome and the requests. */
async function deliver(answer: Answer) {
  const path = `/rp-${randomUUID()}`
  const backchannelLogoutUri = site.rps.uri(path, answer)
  const registration = site.registration(path, { backchannelLogoutUri })
  await site.registerInRedis(registration)
  await site.topic.publish(site.terminated(registration))
  const { headers: attributes, data } = await site.topic.waitForOutcome(registration.clientId)
  return { type: attributes.ce_type, data, requests: site.rps.at(path) }
}

/** Answers each status once, and the last one for ever. */
function statuses(...codes: readonly number[]): Answer {
  let next = 0
  return (_request, response) => end(response, codes[Math.min(next++, codes.length - 1)] as number)
}

describe.concurrent('sent', () => {
  test.each([200, 204])('%i', async (status) => {
    const { type, data, requests } = await deliver(statuses(status))
    expect(type).toBe('backchannel-logout-sent')
    expect(data).toMatchObject({ status, attempts: 1 })
    expect(requests).toHaveLength(1)
  })
})

describe.concurrent('rejected by the first answer', () => {
  test.each([201, 202, 203, 205, 206, 401, 403, 405, 410, 413, 415, 418, 422, 451])('%i', async (status) => {
    const { type, data, requests } = await deliver(statuses(status, 200))
    expect(type).toBe('backchannel-logout-failed')
    expect(data).toMatchObject({ reason: 'rejected', lastStatus: status, status, attempts: 1 })
    expect(requests).toHaveLength(1)
  })
})

describe.concurrent('doubtful: tried again in the configured distances, then rejected', () => {
  test.each([400, 404, 300, 301, 302, 303, 304, 307, 308])('%i', async (status) => {
    const target = `/redirected-${randomUUID()}`
    const { type, data, requests } = await deliver((_request, response) =>
      end(response, status, { location: site.rps.uri(target) }),
    )
    expect(type).toBe('backchannel-logout-failed')
    expect(data).toMatchObject({ reason: 'rejected', lastStatus: status, attempts: 3 })
    const [first, second, third] = requests.map(({ atMs }) => atMs) as [number, number, number]
    expect(requests).toHaveLength(3)
    expect(second - first).toBeGreaterThanOrEqual(149)
    expect(third - second).toBeGreaterThanOrEqual(299)
    // The redirect leads to a loopback address, and is not followed.
    expect(site.rps.at(target)).toEqual([])
  })

  test.each([400, 404, 302])('%i once, then 200: sent', async (status) => {
    const { type, data } = await deliver(statuses(status, 200))
    expect(type).toBe('backchannel-logout-sent')
    expect(data).toMatchObject({ status: 200, attempts: 2 })
  })
})

describe.concurrent('tried again', () => {
  test.each([408, 425, 429, 500, 501, 502, 503, 504, 507, 521, 599])('%i', async (status) => {
    const { type, data, requests } = await deliver(statuses(status, status, 200))
    expect(type).toBe('backchannel-logout-sent')
    expect(data).toMatchObject({ status: 200, attempts: 3 })
    // Each attempt is signed anew, so that an RP with a replay store accepts it.
    expect(new Set(requests.map(({ claims }) => claims.jti)).size).toBe(3)
    expect(requests.at(-1)?.claims.jti).toBe(data.jti)
  })

  test('an interim answer (103) is not the answer', async () => {
    const { data } = await deliver((_request, response) => {
      response.writeEarlyHints({ link: '</style.css>; rel=preload' })
      end(response, 204)
    })
    expect(data).toMatchObject({ status: 204, attempts: 1 })
  })

  test.each([
    { name: 'in seconds', value: () => '1', fromMs: 1_000 },
    { name: 'as a date', value: () => new Date(Date.now() + 2_000).toUTCString(), fromMs: 990 },
    { name: 'that is far away, cut', value: () => '99999999', fromMs: RETRY_AFTER_MAX_MS },
    { name: 'that is nonsense, ignored', value: () => 'soon', fromMs: 0 },
  ])('not before Retry-After $name', async ({ value, fromMs }) => {
    let answers = 0
    const { data, requests } = await deliver((_request, response) =>
      answers++ === 0 ? end(response, 429, { 'retry-after': value() }) : end(response, 200),
    )
    expect(data).toMatchObject({ status: 200, attempts: 2 })
    const [first, second] = requests.map(({ atMs }) => atMs) as [number, number]
    expect(second - first).toBeGreaterThanOrEqual(fromMs - 1)
    expect(second - first).toBeLessThan(fromMs + PATIENCE_MS)
  })
})

test('what the RP said stands in the outcome, without the token that it echoed', async () => {
  const said =
    (json: (token: string) => object): Answer =>
    ({ token }, response) => {
      response.writeHead(403, { 'content-type': 'application/json' }).end(JSON.stringify(json(token)))
    }
  const plain = await deliver(
    said(() => ({ error: 'invalid_request', error_description: 'no such session' })),
  )
  expect(plain.data.lastError).toBe('HTTP 403: invalid_request: no such session')
  const echoed = await deliver(said((token) => ({ error: `bad token ${token}` })))
  expect(echoed.data.lastError).toContain('bad token [token]')
  expect(JSON.stringify(echoed.data)).not.toContain('eyJ')
})

test('attempts and deadline are bounded, and a doubtful answer can be set to reject at once', async () => {
  const strict = await openSite({
    env: { RETRY_MAX_ATTEMPTS: '3', RETRY_DEADLINE_MS: '1000', RETRY_DOUBTFUL_DELAYS_MS: '0' },
  })
  try {
    await strict.startRelay()
    const uri = (path: string, answer: Answer) => ({ backchannelLogoutUri: strict.rps.uri(path, answer) })
    const later: Answer = (_request, response) => end(response, 503, { 'retry-after': '5' })
    const registrations = [
      strict.registration('/exhausted', uri('/exhausted', statuses(503))),
      strict.registration('/expired', uri('/expired', later)),
      strict.registration('/doubtful', uri('/doubtful', statuses(400))),
    ]
    await strict.registerInRedis(...registrations)
    await strict.topic.publish(...registrations.map((it) => strict.terminated(it)))
    const [exhausted, expired, doubtful] = await Promise.all(
      registrations.map(async ({ clientId }) => (await strict.topic.waitForOutcome(clientId)).data),
    )
    expect(exhausted).toMatchObject({ reason: 'exhausted', attempts: 3, lastStatus: 503 })
    expect(expired).toMatchObject({ reason: 'expired', attempts: 1, lastStatus: 503 })
    expect(doubtful).toMatchObject({ reason: 'rejected', attempts: 1, lastStatus: 400 })
    // A failed outcome holds what is needed to deliver it again.
    const { registeredAt: _, ...registration } = registrations[0] as Record<string, unknown>
    expect(exhausted).toMatchObject(registration)
  } finally {
    await strict.close()
  }
})
