import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { inputRecord } from '../support/input-record.ts'
import { relayCommand } from '../support/relay-command.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import { ISSUER, type RelaySite } from '../support/relay-site.ts'
import { end } from '../support/relying-party-server.ts'
import { openSite } from './open-site.ts'

let site: RelaySite
let relays: readonly RelayProcess[]

beforeAll(async () => {
  site = await openSite({ env: { RETRY_DEADLINE_MS: '86400000', BREAKER_FAILURES: '3' } })
  // What one of them sees, the other does not.
  relays = await Promise.all([site.startRelay(), site.startRelay()])
})
afterAll(() => site.close())

const command = (...args: readonly string[]) => relayCommand(args, site.commandEnvironment())
const rowOf = async (clientId: string, ...args: string[]) =>
  (await command('clients', 'list', '--json', ...args)).rows.find((row) => row.clientId === clientId)

/** A session of an RP, and its end. */
async function logout(path: string) {
  const registration = site.registration(path)
  await site.topic.publish(site.registered(registration), site.terminated(registration))
  return registration
}

/** A logout that is parked as its client is paused. */
async function logoutAtPause(path: string) {
  return await eventually(async () => {
    const registration = await logout(path)
    const isTold = () => site.topic.outcomes.some(({ data }) => data.sessionId === registration.sessionId)
    // One that is read before the relays know of the pause is sent, and then nothing is parked however long one waits.
    await eventually(async () =>
      expect(isTold() || Number((await rowOf(registration.clientId))?.parked) > 0).toBe(true),
    )
    expect(isTold()).toBe(false)
    return registration
  })
}

/** Relays say every few seconds whom they tell, and what nobody knows is no client to a command. */
const isListed = (clientId: string) =>
  eventually(async () => expect(await rowOf(clientId)).toMatchObject({ sent: expect.any(Number) }))

describe.concurrent('clients', () => {
  test('list: which RPs are failing, as all relays see it', async () => {
    const [well, ill] = [`/${randomUUID()}`, `/${randomUUID()}`]
    site.rps.uri(ill, (_request, response) => end(response, 503))
    const [fine] = [await logout(well), await logout(well)]
    const sick = await Promise.all(Array.from({ length: 8 }, () => logout(ill)))
    const clientId = String(sick[0]?.clientId)
    await eventually(async () => expect(await rowOf(fine.clientId)).toMatchObject({ sent: 2 }))
    await eventually(async () =>
      expect(await rowOf(clientId, '--failing')).toMatchObject({
        issuer: ISSUER,
        state: 'active',
        sent: 0,
        failed: 0,
        parked: 8,
        oldestDeadlineAt: expect.stringMatching(/Z$/),
        breaker: expect.stringMatching(/^open at [12] of 2$/),
        lastError: 'HTTP 503',
      }),
    )
    expect(await rowOf(fine.clientId, '--failing')).toBeUndefined()
    const { stdout } = await command('clients', 'list')
    expect(stdout).toMatch(/^CLIENT +STATE +SENT +FAILED +PARKED +OLDEST DEADLINE +BREAKER +LAST ERROR\n/)
    expect(stdout).not.toContain(sick[0]?.sessionId)
  })

  test('an RP that failed and is paused is no failing one: nothing is sent to it, and no alert is about it', async () => {
    const path = `/${randomUUID()}`
    site.rps.uri(path, (_request, response) => end(response, 503))
    const [{ clientId }] = (await Promise.all(Array.from({ length: 8 }, () => logout(path)))) as [
      Awaited<ReturnType<typeof logout>>,
    ]
    await eventually(async () =>
      expect(await rowOf(clientId, '--failing')).toMatchObject({ breaker: expect.stringMatching(/^open/) }),
    )
    expect(await command('clients', 'pause', clientId)).toMatchObject({ status: 0 })
    await eventually(async () => expect(await rowOf(clientId, '--failing')).toBeUndefined())
    expect(await rowOf(clientId)).toMatchObject({ state: 'paused', parked: 8, lastError: 'HTTP 503' })
    for (const relay of relays)
      await eventually(async () =>
        expect(await readMetric(relay, 'breaker_open', { client_id: clientId })).toBe(0),
      )
  })

  test('pause and resume: for every relay within a moment, also when Redis is lost', async () => {
    const path = `/${randomUUID()}`
    const { clientId } = await logout(path)
    await site.rps.waitFor(path)
    await isListed(clientId)
    const paused = await command('clients', 'pause', clientId, '--json')
    expect(paused).toMatchObject({ status: 0, rows: [{ clientId, before: 'active', state: 'paused' }] })
    await logoutAtPause(path)
    expect(await rowOf(clientId)).toMatchObject({ state: 'paused', oldestDeadlineAt: null })
    const again = await command('clients', 'pause', clientId, '--json')
    expect(again).toMatchObject({ status: 0, rows: [{ before: 'paused', state: 'paused' }] })
    const { parked } = (await rowOf(clientId)) as { parked: number }
    const before = site.rps.at(path).length
    expect(await command('clients', 'resume', clientId)).toMatchObject({ status: 0 })
    await site.rps.waitFor(path, before + parked)
  })

  test('what waits for a paused client is not said to be due, and what failed before any attempt has its reason', async () => {
    const path = `/${randomUUID()}`
    const { clientId } = await logout(path)
    await site.rps.waitFor(path)
    await isListed(clientId)
    expect(await command('clients', 'pause', clientId)).toMatchObject({ status: 0 })
    const { sessionId } = await logoutAtPause(path)
    const { rows } = await command('backlog', 'list', '--json')
    expect(rows.find((row) => row.clientId === clientId)).toMatchObject({ isPaused: true })
    const parked = await command('backlog', 'show', clientId, '--json')
    expect(parked.rows[0]).toMatchObject({ isPaused: true, deadlineAt: null })
    const { stdout } = await command('trace', sessionId)
    expect(stdout).toContain('paused')
    expect(stdout).not.toContain('due now')
    const { backchannelLogoutUri: _, ...nowhere } = {
      ...site.registration(path),
      clientId: `c-${randomUUID()}`,
    }
    await site.topic.publish(
      inputRecord('backchannel-logout-registered', nowhere),
      inputRecord('session-terminated', { sessionId: nowhere.sessionId }),
    )
    await eventually(async () =>
      expect(await rowOf(nowhere.clientId)).toMatchObject({
        failed: 1,
        lastError: expect.stringContaining('backchannelLogoutUri'),
      }),
    )
  })

  test('retire: asks, and ends what is parked long before it is due', async () => {
    const path = `/${randomUUID()}`
    site.rps.uri(path, (_request, response) => end(response, 503, { 'retry-after': '600' }))
    const { clientId, sessionId } = await logout(path)
    await eventually(async () => expect((await rowOf(clientId))?.parked).toBe(1))
    expect(await command('clients', 'retire', clientId)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('--yes'),
    })
    expect(await command('clients', 'retire', clientId, '--yes')).toMatchObject({ status: 0 })
    expect((await site.topic.waitForOutcome(clientId, sessionId)).data).toMatchObject({
      reason: 'retired',
      attempts: 1,
      lastStatus: 503,
    })
    const replayed = await command('replay', '--failed', '--client', clientId, '--from', '1h', '--json')
    expect(replayed.rows.filter(({ step }) => step === 'owed')).toEqual([])
    expect(await command('clients', 'show', clientId)).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^state +retired since \S+Z$/m),
    })
  })

  test('remove: asks, takes back settings and state of records, and what was written to Redis stays', async () => {
    const path = `/${randomUUID()}`
    const { clientId } = await logout(path)
    await site.rps.waitFor(path)
    const elsewhere = `/${randomUUID()}`
    const set = ['clients', 'set', clientId, '--uri', `${site.rps.uri(elsewhere)}?secret=1`]
    expect(await command(...set)).toMatchObject({ status: 0 })
    expect(await command('clients', 'pause', clientId)).toMatchObject({ status: 0 })
    await logoutAtPause(path)
    // Those of before the pause went to where it was set to.
    const [here, there] = [path, elsewhere].map((it) => site.rps.at(it).length)
    await site.redis.hset(`${site.prefix}:client:{${ISSUER}|${clientId}}`, 'claims', 'sid')
    expect(await command('clients', 'remove', clientId)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('--yes'),
    })
    const removed = await command('clients', 'remove', clientId, '--yes', '--json')
    expect(removed).toMatchObject({ status: 0 })
    expect(removed.rows).toEqual([
      { issuer: ISSUER, clientId, name: 'state', value: 'paused' },
      { issuer: ISSUER, clientId, name: 'backchannelLogoutUri', value: expect.any(String) },
    ])
    expect(removed.stdout).not.toContain('secret')
    // What was parked is sent, and to where its registration says.
    await site.rps.waitFor(path, Number(here) + 1)
    expect(site.rps.at(elsewhere)).toHaveLength(Number(there))
    const { rows } = await command('clients', 'show', clientId, '--json')
    expect(rows[0]).toMatchObject({
      state: 'active',
      settings: [expect.objectContaining({ name: 'claims', source: 'redis' })],
    })
    const again = await command('clients', 'remove', clientId, '--yes')
    expect(again).toMatchObject({ status: 0, stdout: '', stderr: expect.stringContaining('no record') })
  })

  test('set and show: what wins over registrations, from where, and without the query of its URI', async () => {
    const path = `/${randomUUID()}`
    const clientId = `new-${randomUUID()}`
    const uri = `${site.rps.uri(path)}?secret=1`
    const set = ['clients', 'set', clientId]
    const done = await command(...set, '--uri', uri, '--session-required', '--claims', 'sid', '--json')
    expect(done).toMatchObject({ status: 0 })
    await site.redis.hset(`${site.prefix}:client:{${ISSUER}|${clientId}}`, 'alg', 'ES256')
    const shown = await command('clients', 'show', clientId, '--json')
    expect(shown.rows[0]).toMatchObject({
      state: 'active',
      settings: expect.arrayContaining([
        expect.objectContaining({ name: 'alg', value: 'ES256', source: 'redis' }),
        expect.objectContaining({ name: 'sessionRequired', value: 'true', source: 'record' }),
      ]),
    })
    expect(done.stdout + shown.stdout).not.toContain('secret')
    const { backchannelLogoutUri: _, ...registration } = site.registration('/elsewhere', { clientId })
    await site.topic.publish(
      {
        ...site.registered(site.registration('/elsewhere', { clientId })),
        value: JSON.stringify(registration),
      },
      site.terminated(registration),
    )
    expect((await site.rps.waitFor(path)).url).toContain('?secret=1')
  })

  test('list: an issuer that nobody knows is no issuer without failing RPs', async () => {
    expect(await command('clients', 'list', '--failing', '--issuer', 'nosuch')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('nosuch'),
    })
    const set = ['clients', 'set', 'shop', '--claims', 'sid', '--issuer', 'https://typo.test.example']
    expect(await command(...set)).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringContaining('typo'),
    })
  })

  test('what is wrong is said, and nothing is published', async () => {
    const { clientId } = await logout(`/${randomUUID()}`)
    await eventually(async () => expect(await rowOf(clientId)).toBeDefined())
    const [unknown, nothing, bad, refused, alg] = await Promise.all([
      command('clients', 'pause', 'nobody'),
      command('clients', 'set', clientId),
      command('clients', 'set', clientId, '--uri', '/relative'),
      command('clients', 'set', clientId, '--uri', 'https://169.254.169.254/logout'),
      command('clients', 'set', clientId, '--alg', 'none'),
    ])
    expect(unknown).toMatchObject({ status: 1, stderr: expect.stringContaining(clientId) })
    expect(nothing).toMatchObject({ status: 2, stderr: expect.stringContaining('--uri') })
    expect(bad).toMatchObject({ status: 2, stderr: expect.stringContaining('backchannelLogoutUri') })
    expect(refused).toMatchObject({ status: 1, stderr: expect.stringContaining('EGRESS_ALLOW') })
    expect(alg).toMatchObject({ status: 2, stderr: expect.stringContaining('alg') })
    await site.topic.caughtUp()
    const records = site.topic.records.filter(({ headers }) => headers.ce_type === 'client-configured')
    expect(records.some(({ data }) => data.clientId === clientId || data.clientId === 'nobody')).toBe(false)
  })
})
