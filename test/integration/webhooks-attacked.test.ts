import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { PATIENCE_MS } from '../support/patience.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import { ISSUER, type RelaySite } from '../support/relay-site.ts'
import { Strangers } from '../support/strangers.ts'
import { SECRET, webhookPlatforms } from '../support/webhook-platforms.ts'
import { openSite } from './open-site.ts'

const { keycloak } = webhookPlatforms

let site: RelaySite
let relay: RelayProcess
let port: number

beforeAll(async () => {
  site = await openSite()
  const [intake, mapping] = ['intake.yaml', 'mapping.yaml'].map((it) => join(site.folder, it)) as [
    string,
    string,
  ]
  const topic = site.topic.name
  await writeFile(
    intake,
    `sources: [{ name: keycloak, topic: ${topic}, platform: keycloak, secretFile: secret }]\n`,
  )
  await writeFile(join(site.folder, 'secret'), SECRET)
  await writeFile(mapping, `mappings: [{ topics: [${topic}], preset: keycloak, issuer: "${ISSUER}" }]\n`)
  const env = { INTAKE_PORT: '0', INTAKE_FILE: intake, MAPPING_FILE: mapping }
  relay = await site.startRelay(env, undefined, { openFilesMax: 512 })
  port = Number((await relay.waitForLog(({ msg }) => msg === 'listening for webhooks')).port)
})
afterAll(() => site.close())

const head = (more: string) =>
  `POST /intake/keycloak HTTP/1.1\r\nHost: a\r\nX-Keycloak-Signature: ${'0'.repeat(64)}\r\n${more}\r\n\r\n`

async function isTold(path: string): Promise<void> {
  const registration = site.registration(path)
  await site.registerInRedis(registration)
  const body = keycloak?.body(registration.sessionId, registration.userId) ?? ''
  const send = () =>
    fetch(`http://127.0.0.1:${port}/intake/keycloak`, {
      method: 'POST',
      body,
      headers: keycloak?.headers(body) ?? {},
    })
  // In the midst of such a crowd a connection may be put out; a platform sends again.
  await eventually(async () => expect((await send()).status).toBe(204))
  await site.topic.waitForOutcome(registration.clientId, registration.sessionId)
}

describe.each([
  ['say nothing', ''],
  ['send half a head', 'POST /intake/keycloak HTTP/1.1\r\nHost: a\r\n'],
  ['send the beginning of a body', `${head('Content-Length: 900000')}{"a":"`],
  ['send most of a body', `${head('Content-Length: 200000')}{"a":"${'x'.repeat(150_000)}`],
  ['send wrong signatures over and over', `${head('Content-Length: 2')}{}`.repeat(100)],
])('a thousand connections that %s', (what, says) => {
  test('keep no webhook out, no operator, and no logout', async () => {
    const before = relay.memoryMib('VmRSS')
    const them = await Strangers.come(port, 1_000, says)
    try {
      void them.insist(20)
      await isTold(`/attacked-${what.length}`)
      await eventually(async () => expect((await fetch(`${relay.url}/livez`)).status).toBe(200))
      expect(relay.memoryMib('VmRSS') - before).toBeLessThan(100)
    } finally {
      them.leave()
    }
    expect(await readMetric(relay, 'faults_total')).toBe(0)
  })
})

test.each([
  ['mute', ''],
  ['half a head', 'POST /intake/keycloak HTTP/1.1\r\n'],
  ['half a body', `${head('Content-Length: 9')}x`],
  ['a body without an end', `${head('Transfer-Encoding: chunked')}1\r\nx\r\n`],
])('a connection that stays is ended: %s', async (_, says) => {
  const socket = connect(port, '127.0.0.1').resume()
  socket.write(says)
  await once(socket, 'close', { signal: AbortSignal.timeout(PATIENCE_MS) })
})

test('a flood from one address is refused before a signature is computed, and passes', async () => {
  const body = JSON.stringify({ a: 'x'.repeat(900_000) })
  const flood = () =>
    fetch(`http://127.0.0.1:${port}/intake/keycloak`, {
      method: 'POST',
      body,
      headers: { 'X-Keycloak-Signature': '0'.repeat(64) },
    }).then(
      ({ status }) => status,
      () => undefined,
    )
  const statuses = new Set(await Promise.all(Array.from({ length: 60 }, flood)))
  expect([...statuses]).toContain(429)
  await isTold('/after-a-flood')
  expect(await readMetric(relay, 'intake_requests_total', { result: 'rate-limited' })).toBeGreaterThan(0)
})
