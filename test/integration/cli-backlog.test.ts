import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { relayCommand } from '../support/relay-command.ts'
import { ISSUER, type RegistrationInput, type RelaySite } from '../support/relay-site.ts'
import { end } from '../support/relying-party-server.ts'
import { openSite } from './open-site.ts'

let site: RelaySite

/** No breaker comes in between: what is parked failed once. */
const PATIENT = { RETRY_DEADLINE_MS: '86400000', BREAKER_FAILURES: '1000' }

beforeAll(async () => {
  site = await openSite()
  await site.startRelay(PATIENT)
})
afterAll(() => site.close())

const command = (args: readonly string[], env: Record<string, string> = {}) =>
  relayCommand(args, site.commandEnvironment(env))

function backlogKey(clientId: string): string {
  return `${site.prefix}:backlog:{${ISSUER}|${clientId}}`
}

function stateKey(clientId: string): string {
  return `${site.prefix}:backlog-state:{${ISSUER}|${clientId}}`
}

/** Deliveries that failed once with 503 and are parked for so long that only an operator can bring them forward. */
async function park(path: string, count: number): Promise<RegistrationInput[]> {
  site.rps.uri(path, (_request, response) => end(response, 503, { 'retry-after': '600' }))
  const registrations = Array.from({ length: count }, () => site.registration(path))
  await site.registerInRedis(...registrations)
  await site.topic.publish(...registrations.map((it) => site.terminated(it)))
  const key = backlogKey((registrations[0] as RegistrationInput).clientId)
  await eventually(async () => expect(await site.redis.zcard(key)).toBe(count))
  return registrations
}

/** As if a replica had taken the delivery up. */
async function lease({ clientId, sessionId, oidcSessionId }: RegistrationInput): Promise<void> {
  await site.redis.hset(stateKey(clientId), `lease:${sessionId}\n${oidcSessionId}`, Date.now() + 600_000)
}

describe.concurrent('backlog', () => {
  test('list and show: what is parked, why, and until when', async () => {
    const [first, second] = (await park('/shown', 2)) as [RegistrationInput, RegistrationInput]
    const { clientId } = first
    const [list, shown, one, table, nobody] = await Promise.all([
      command(['backlog', 'list', '--json']),
      command(['backlog', 'show', clientId, '--json']),
      command(['backlog', 'show', clientId, '--session', second.sessionId, '--json']),
      command(['backlog', 'show', clientId, '--limit', '1']),
      command(['backlog', 'show', 'nobody']),
    ])
    expect(list.rows).toContainEqual({
      issuer: ISSUER,
      clientId,
      size: 2,
      oldestDueAt: expect.stringMatching(/Z$/),
      oldestDueMs: expect.any(Number),
    })
    const parked = shown.rows as { sessionId: string; dueAt: string; deadlineAt: string }[]
    expect(parked.map(({ sessionId }) => sessionId).sort()).toEqual(
      [first.sessionId, second.sessionId].sort(),
    )
    for (const row of parked) {
      expect(row).toMatchObject({ attempts: 1, isHeld: false, lastStatus: 503, lastError: 'HTTP 503' })
      expect(Date.parse(row.deadlineAt)).toBeGreaterThan(Date.parse(row.dueAt))
    }
    expect(one.rows).toEqual(parked.filter(({ sessionId }) => sessionId === second.sessionId))
    expect(table.stdout).toMatch(
      /^SESSION +OIDC SESSION +ATTEMPTS +DUE +DEADLINE +LAST ERROR\n.* HTTP 503\n$/,
    )
    expect(table.stderr).toContain('1 of 2 parked')
    expect(nobody).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringContaining('nothing is parked'),
    })
  })

  test('retry: makes due now what no relay is at, of one session or all of it', async () => {
    const [first, held, third] = (await park('/retried', 3)) as RegistrationInput[] as [
      RegistrationInput,
      RegistrationInput,
      RegistrationInput,
    ]
    const { clientId } = first
    await lease(held)
    site.rps.uri('/retried', 200)
    const one = await command(['backlog', 'retry', clientId, '--session', first.sessionId, '--json'])
    expect(one).toMatchObject({ status: 0, rows: [{ clientId, issuer: ISSUER, due: 1, held: 0 }] })
    await site.topic.waitForOutcome(clientId, first.sessionId)

    const rest = await command(['backlog', 'retry', clientId])
    expect(rest).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(new RegExp(`${clientId} +1 +1\n$`)),
    })
    await site.topic.waitForOutcome(clientId, third.sessionId)
    await eventually(async () => expect(await site.redis.zcard(backlogKey(clientId))).toBe(1))
    const told = site.topic.outcomes.map(({ data }) => data.sessionId)
    expect(told).not.toContain(held.sessionId)
    expect(await command(['backlog', 'retry', 'nobody'])).toMatchObject({ status: 1, stdout: '' })
  })

  test('discard: asks, leaves to a relay what it is at, and ends the others with an outcome', async () => {
    const [first, held, third] = (await park('/discarded', 3)) as RegistrationInput[] as [
      RegistrationInput,
      RegistrationInput,
      RegistrationInput,
    ]
    const { clientId } = first
    await lease(held)
    const kafkaAway = { KAFKA_BROKERS: `127.0.0.1:${await freePort()}` }
    const [unsure, away] = await Promise.all([
      command(['backlog', 'discard', clientId]),
      command(['backlog', 'discard', clientId, '--yes'], kafkaAway),
    ])
    expect(unsure).toMatchObject({ status: 2, stderr: expect.stringContaining('Give up 3 parked') })
    expect(away).toMatchObject({ status: 3, stdout: '' })
    expect(await site.redis.zcard(backlogKey(clientId))).toBe(3)

    const discard = ['backlog', 'discard', clientId, '--yes']
    const one = await command([...discard, '--session', first.sessionId, '--json'])
    expect(one).toMatchObject({ status: 0, rows: [{ sessionId: first.sessionId, attempts: 1 }] })
    const { data, key } = await site.topic.waitForOutcome(clientId, first.sessionId)
    expect(key).toBe(first.sessionId)
    expect(data).toMatchObject({
      reason: 'discarded',
      attempts: 1,
      lastStatus: 503,
      lastError: 'discarded by an operator after: HTTP 503',
      userId: first.userId,
      backchannelLogoutUri: first.backchannelLogoutUri,
      trigger: { topic: site.topic.name },
    })
    expect(await site.redis.exists(site.sessionKey(first.sessionId))).toBe(0)
    const tombstone = await site.redis.get(`${site.prefix}:ended:{${ISSUER}|${first.sessionId}}`)
    expect(tombstone?.split('\n').at(-1)).toBe(
      `${first.oidcSessionId}\t${Date.parse(String(first.registeredAt))}`,
    )

    const rest = await command(discard)
    expect(rest).toMatchObject({ status: 1, stdout: expect.stringContaining(third.sessionId) })
    expect(rest.stderr).toContain('1 left')
    await site.topic.waitForOutcome(clientId, third.sessionId)
    expect(await site.redis.zcard(backlogKey(clientId))).toBe(1)
    expect(await site.redis.hkeys(stateKey(clientId))).toHaveLength(2)
    expect(site.rps.at('/discarded')).toHaveLength(3)
  })

  test('discard: a delivery whose registration was settled meanwhile leaves without an outcome', async () => {
    const [registration] = (await park('/settled-meanwhile', 1)) as [RegistrationInput]
    const { clientId, oidcSessionId, sessionId } = registration
    await site.redis.append(`${site.prefix}:ended:{${ISSUER}|${sessionId}}`, `\n${oidcSessionId}`)
    await site.redis.del(site.sessionKey(sessionId))
    const done = await command(['backlog', 'discard', clientId, '--yes', '--json'])
    expect(done).toMatchObject({ status: 0, stdout: '' })
    expect(await site.redis.exists(backlogKey(clientId), stateKey(clientId))).toBe(0)
    await site.topic.caughtUp()
    expect(site.topic.outcomes.filter(({ data }) => data.clientId === clientId)).toEqual([])
  })
})
