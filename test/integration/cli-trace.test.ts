import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { inputRecord } from '../support/input-record.ts'
import { relayCommand } from '../support/relay-command.ts'
import { ISSUER, type RelaySite } from '../support/relay-site.ts'
import { end } from '../support/relying-party-server.ts'
import { openSite } from './open-site.ts'

let site: RelaySite

beforeAll(async () => {
  site = await openSite()
  await site.startRelay()
})
afterAll(() => site.close())

const command = (args: readonly string[], env: Record<string, string> = {}) =>
  relayCommand(args, site.commandEnvironment(env))

/** Rows without the summary, which comes last. */
async function traced(...args: string[]) {
  const { status, stderr, rows } = await command(['trace', ...args, '--json'])
  return { status, stderr, rows: rows.slice(0, -1), summary: rows.at(-1) ?? {} }
}

async function isRegistered(sessionId: string, count: number): Promise<void> {
  await eventually(async () => expect(await site.redis.hlen(site.sessionKey(sessionId))).toBe(count))
}

describe.concurrent('trace', () => {
  test('a session of which one RP is still owed: every record, what Redis holds, and the sum of it', async () => {
    site.rps.uri('/owed', (_request, response) => end(response, 503, { 'retry-after': '600' }))
    site.rps.uri('/refuses', 410)
    const sessionId = 'trace-owed'
    const userId = 'trace-olga'
    const registrations = ['/told', '/refuses', '/owed?key=hunter2'].map((path, i) =>
      site.registration(path, { sessionId, userId, clientId: `client-${i}` }),
    )
    await site.topic.publish(...registrations.map((it) => site.registered(it)))
    await isRegistered(sessionId, 3)
    const alive = await traced(sessionId)
    expect(alive).toMatchObject({ status: 1, summary: { registrations: 3, alive: 3, isSettled: false } })

    const poison = { key: sessionId, value: '{"type":"session-terminated"', headers: {} }
    await site.topic.publish(poison, site.terminated({ sessionId }, { id: 'trace-trigger' }))
    await eventually(async () =>
      expect(await site.redis.zcard(`${site.prefix}:backlog:{${ISSUER}|client-2}`)).toBe(1),
    )
    await isRegistered(sessionId, 1)
    // The dead letter is on its topic before the offset moves past the poison.
    await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))

    const { status, stderr, rows, summary } = await traced(sessionId)
    expect({ status, stderr }).toEqual({ status: 1, stderr: '' })
    expect(rows.map(({ kind }) => kind).sort()).toEqual(
      [
        ...['registered', 'registered', 'registered', 'trigger', 'dead-letter'],
        ...['sent', 'failed', 'ended', 'owed'],
      ].sort(),
    )
    expect(rows).toContainEqual(
      expect.objectContaining({ kind: 'trigger', triggerId: 'trace-trigger', topic: site.topic.name }),
    )
    expect(rows).toContainEqual(
      expect.objectContaining({ kind: 'sent', clientId: 'client-0', attempts: 1, status: 200 }),
    )
    expect(rows).toContainEqual(
      expect.objectContaining({ kind: 'failed', clientId: 'client-1', reason: 'rejected', status: 410 }),
    )
    expect(rows).toContainEqual(
      expect.objectContaining({ kind: 'owed', clientId: 'client-2', attempts: 1, lastError: 'HTTP 503' }),
    )
    expect(rows.at(-1)).toMatchObject({ kind: 'owed', dueAt: expect.stringMatching(/Z$/) })
    expect(summary).toMatchObject({
      registrations: 3,
      clients: 3,
      sent: 1,
      failed: 1,
      owed: 1,
      isSettled: false,
    })

    const table = await command(['trace', sessionId])
    expect(table.status).toBe(1)
    expect(table.stdout).toMatch(
      /\n3 RPs: 1 sent, 1 failed \(rejected\), 1 owed \(parked, next attempt in \d+ minutes[\w ]*\)\nsince \d{4}-\S+Z; --since .*\n$/,
    )
    expect(table.stdout).toMatch(/now, in Redis +owed +client-2 +owed \(parked, next attempt in/)
    expect(table.stdout).not.toContain('hunter2')
  })

  test('a user who signed out everywhere, though Redis has forgotten the sessions: all were told', async () => {
    const userId = 'trace-uta'
    const sessions = ['trace-u1', 'trace-u2']
    const registrations = sessions.map((sessionId) => site.registration('/uta', { sessionId, userId }))
    const stranger = site.registration('/stranger', { userId: 'trace-other' })
    await site.topic.publish(...[...registrations, stranger].map((it) => site.registered(it)))
    await Promise.all(sessions.map((sessionId) => isRegistered(sessionId, 1)))
    await site.topic.publish(
      inputRecord('user-signed-out', { issuer: ISSUER, userId }, { id: 'trace-uta-out' }),
    )
    await Promise.all(sessions.map((it) => site.topic.waitForOutcome('client-uta', it)))
    for (const sessionId of sessions) await isRegistered(sessionId, 0)
    await site.redis.del(`${site.prefix}:signed-out:{${ISSUER}|${userId}}`)

    const { status, rows, summary } = await traced(userId, '--since', '1h')
    expect(status).toBe(0)
    expect(summary).toMatchObject({ registrations: 2, clients: 1, sent: 2, isSettled: true })
    expect(summary.text).toBe('2 registrations at 1 RP: 2 sent')
    expect(rows.filter(({ topic }) => topic !== undefined).map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(['registered', 'registered', 'trigger', 'sent', 'sent']),
    )
    expect(rows.some(({ sessionId }) => sessionId === stranger.sessionId)).toBe(false)

    // Of one session the user's sign-out is a part, and the user's other session is not.
    const one = await traced('trace-u1')
    expect(one).toMatchObject({ status: 0, summary: { registrations: 1, sent: 1 } })
    expect(one.rows).toContainEqual(expect.objectContaining({ kind: 'trigger', triggerId: 'trace-uta-out' }))
    expect(one.rows.some(({ sessionId }) => sessionId === 'trace-u2')).toBe(false)
  })

  test('what lies before the window is not denied: the window is named, and a record of unknown type is shown', async () => {
    const sessionId = 'trace-window'
    const registration = site.registration('/window', { sessionId })
    await site.topic.publish(site.registered(registration), site.terminated({ sessionId }))
    await site.topic.waitForOutcome(registration.clientId, sessionId)
    await isRegistered(sessionId, 0)
    const sinceMs = Date.now()
    await eventually(() => expect(Date.now()).toBeGreaterThan(sinceMs))
    const since = new Date().toISOString()
    await site.topic.publish({ key: sessionId, value: '{"type":"session-renewed"}', headers: {} })
    const { status, rows, summary } = await traced(sessionId, '--from', since)
    expect(rows.map(({ kind }) => kind)).toEqual(['unknown-type', 'ended'])
    expect(rows[0]).toMatchObject({ text: expect.stringContaining('session-renewed') })
    expect(summary).toMatchObject({ since, registrations: 0, isSettled: false })
    expect(status).toBe(1)
  })

  test('what no relay has read yet is not lost: the summary says where it stands', async () => {
    const idle = await openSite()
    try {
      const relay = await idle.startRelay()
      const registration = idle.registration('/unread')
      await idle.topic.publish(idle.registered(registration))
      await eventually(async () =>
        expect(await idle.redis.hlen(idle.sessionKey(registration.sessionId))).toBe(1),
      )
      await eventually(async () => expect(await idle.topic.lag(idle.groupId)).toBe(0))
      expect(await relay.stop()).toBe(0)
      await idle.topic.publish(idle.terminated(registration))
      const trace = () => relayCommand(['trace', registration.sessionId, '--json'], idle.commandEnvironment())
      const { status, rows } = await trace()
      expect(status).toBe(1)
      expect(rows.slice(0, -1).map(({ kind }) => kind)).toEqual(['registered', 'unread', 'alive'])
      const { offset, partition, position } = rows[1] as Record<string, unknown>
      expect(rows[1]).toMatchObject({ lag: 1, offset: position })
      expect(rows.at(-1)).toMatchObject({ owed: 1, missing: 0, unread: 1, isSettled: false })
      expect(rows.at(-1)?.text).toContain(
        `1 record is not read yet in ${idle.topic.name}/${partition}: position ${position}, record at ${offset}, lag 1`,
      )
      await idle.startRelay()
      await idle.topic.waitForOutcome(registration.clientId)
      await eventually(async () => expect(await trace()).toMatchObject({ status: 0 }))
    } finally {
      await idle.close()
    }
  })

  test('an id that appears nowhere, or not in that time', async () => {
    const { status, stdout, stderr } = await command(['trace', 'nobody-at-all', '--since', '15m'])
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toMatch(/nobody-at-all of https:.* appears neither in .* since \d{4}-.*--since/)
  })
})
