import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { relayCommand } from '../support/relay-command.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import { ISSUER, type RegistrationInput, type RelaySite } from '../support/relay-site.ts'
import { end } from '../support/relying-party-server.ts'
import { openSite } from './open-site.ts'

let site: RelaySite
let relay: RelayProcess

beforeAll(async () => {
  // No membership ends by itself here, unless a machine stands still for so long.
  site = await openSite({ env: { KAFKA_SESSION_TIMEOUT_MS: '10000' } })
  relay = await site.startRelay()
})
afterAll(() => site.close())

/** A session with one RP, registered by a record, that is terminated. */
async function logOut(path: string) {
  const registration = site.registration(path)
  await site.topic.publish(site.registered(registration), site.terminated(registration))
  return registration
}

const parkedAt = (it: RelayProcess, clientId: string) =>
  readMetric(it, 'backlog_deliveries', { client_id: clientId })

test('an RP that changes its URI: the field, then retry', async () => {
  // Far away, so that nothing but the operator's command makes the next attempt.
  site.rps.uri('/moves/old', (_request, response) => end(response, 503, { 'retry-after': '600' }))
  const { clientId } = await logOut('/moves/old')
  await eventually(async () => expect(await parkedAt(relay, clientId)).toBe(1))
  const key = `${site.prefix}:client:{${ISSUER}|${clientId}}`
  await site.redis.hset(key, 'backchannelLogoutUri', site.rps.uri('/moves/new'))
  const retry = await relayCommand(['backlog', 'retry', clientId], site.commandEnvironment())
  expect(retry.status, retry.stderr).toBe(0)
  await site.rps.waitFor('/moves/new')
  const outcome = await site.topic.waitForOutcome(clientId)
  expect(outcome.headers.ce_type).toBe('backchannel-logout-sent')
  await eventually(async () => expect(await parkedAt(relay, clientId)).toBe(0))
})

test('deliveries failed: the log says why, doctor looks at the RP, and what failed is sent once it is mended', async () => {
  const uri = site.rps.uri('/refuses', 410)
  const { clientId, sessionId } = await logOut('/refuses')
  const failed = await site.topic.waitForOutcome(clientId, sessionId)
  expect(failed.data).toMatchObject({ reason: 'rejected', status: 410 })
  const isTold = () => relay.log.some(({ msg, client }) => msg === 'delivery failed' && client === clientId)
  await eventually(() => expect(isTold()).toBe(true))
  const run = (...args: string[]) => relayCommand(args, site.commandEnvironment())
  const { rows } = await run('doctor', '--rp', uri, '--client', clientId, '--json')
  expect(rows.find(({ check }) => check === 'rp-answer')).toMatchObject({ severity: 'error' })
  expect(rows.find(({ check }) => check === 'rp-settings')).toBeDefined()

  site.rps.uri('/refuses', 200)
  const again = ['replay', '--failed', '--from', '1h', '--client', clientId]
  const dry = await run(...again, '--dry-run', '--json')
  expect(dry.rows.find(({ step }) => step === 'summary')).toMatchObject({ owed: 1 })
  expect(site.rps.at('/refuses').filter(({ claims }) => claims.sid === sessionId)).toHaveLength(1)
  expect((await run(...again)).status).toBe(0)
  expect(site.rps.at('/refuses').filter(({ claims }) => claims.sid === sessionId)).toHaveLength(2)
  const after = await run(...again, '--dry-run', '--json')
  expect(after.rows.find(({ step }) => step === 'summary')).toMatchObject({ owed: 0 })
})

test('moving to another Redis: what was parked is sent, what was sent is not sent again', async () => {
  site.rps.uri('/move/down', 503)
  const sent = await logOut('/move/sent')
  const down = await logOut('/move/down')
  const alive = site.registration('/move/alive')
  await site.topic.publish(site.registered(alive))
  await site.topic.waitForOutcome(sent.clientId)
  await eventually(async () => expect(await parkedAt(relay, down.clientId)).toBe(1))
  expect(await relay.stop()).toBe(0)

  site.rps.uri('/move/down', 200)
  // Other keys of the same server are as empty as another server.
  const REDIS_PREFIX = `${site.prefix}:moved`
  const moved = await site.startRelay({ REDIS_PREFIX })
  const outcome = await site.topic.waitForOutcome(down.clientId)
  expect(outcome.headers.ce_type).toBe('backchannel-logout-sent')
  await site.topic.publish(site.terminated(alive))
  await site.topic.waitForOutcome(alive.clientId)
  expect(site.rps.at('/move/sent')).toHaveLength(1)

  const env = site.commandEnvironment({ REDIS_PREFIX })
  const left = await relayCommand(['replay', '--from', '1h', '--dry-run'], env)
  expect(left.status, left.stderr).toBe(0)
  expect(await moved.stop()).toBe(0)
})

test('upgrading: one replica after the other, under load; metric and log name the version', async () => {
  const replicas = [await site.startRelay(), await site.startRelay()]
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'))
  const ended: RegistrationInput[] = []
  let isDone = false
  const load = (async () => {
    while (!isDone) {
      ended.push(await logOut('/upgrade'))
    }
  })()
  for (const old of replicas) {
    expect(await old.stop()).toBe(0)
    const next = await site.startRelay()
    expect(await readMetric(next, 'build_info', { version })).toBe(1)
    expect(next.log[0]).toMatchObject({ version })
  }
  isDone = true
  await load
  for (const { clientId, sessionId } of ended) await site.topic.waitForOutcome(clientId, sessionId)
  expect(site.rps.at('/upgrade')).toHaveLength(ended.length)
})
