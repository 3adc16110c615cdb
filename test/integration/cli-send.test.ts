import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { freePort } from '../support/free-port.ts'
import { LateServer } from '../support/late-server.ts'
import { relayCommand } from '../support/relay-command.ts'
import { ISSUER, type RelaySite } from '../support/relay-site.ts'
import { openSite } from './open-site.ts'

let site: RelaySite

beforeAll(async () => {
  site = await openSite()
  await site.startRelay({ RETRY_MAX_ATTEMPTS: '3', RETRY_BASE_DELAY_MS: '5', RETRY_MAX_DELAY_MS: '5' })
})
afterAll(() => site.close())

const command = (args: readonly string[], env: Record<string, string> = {}) =>
  relayCommand(args, site.commandEnvironment(env))

describe.concurrent('send', () => {
  test('session-terminated: says where the trigger stands, and with --wait that every RP was told', async () => {
    const registrations = ['/sent-a', '/sent-b'].map((path) =>
      site.registration(path, { sessionId: 'sent-1' }),
    )
    await site.registerInRedis(...registrations)
    const { status, rows, stderr } = await command([
      ...['send', 'session-terminated', '--session', 'sent-1'],
      ...['--reason', 'administrator', '--wait', '--json'],
    ])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const [sent, ...outcomes] = rows
    expect(sent).toMatchObject({ sent: 'session-terminated', key: 'sent-1', topic: site.topic.name })
    expect(outcomes).toHaveLength(2)
    for (const { clientId } of registrations) {
      expect(outcomes).toContainEqual(
        expect.objectContaining({ outcome: 'sent', clientId, sessionId: 'sent-1', attempts: 1, status: 200 }),
      )
    }
    const record = await site.topic.waitFor(({ headers }) => headers.ce_id === sent?.id)
    expect(record).toMatchObject({
      key: 'sent-1',
      partition: sent?.partition,
      offset: sent?.offset,
      data: { issuer: ISSUER, sessionId: 'sent-1', reason: 'administrator' },
      headers: { ce_type: 'session-terminated', ce_specversion: '1.0', 'content-type': 'application/json' },
    })
    expect(Date.parse(record.headers.ce_time ?? '')).toBeLessThanOrEqual(Date.now())

    const again = await command(['send', 'session-terminated', '--session', 'sent-1', '--wait'])
    expect(again).toMatchObject({ status: 0, stdout: expect.stringContaining('nothing was owed') })
  })

  test('1 for a session or a user that nobody knows: a misspelt name is no success', async () => {
    const runs = await Promise.all([
      command(['send', 'session-terminated', '--session', 'sent-nobody', '--wait']),
      command(['send', 'user-signed-out', '--user', 'send-nobody', '--wait', '--json']),
    ])
    // What the first ones left in Redis and on the topic makes nobody known.
    runs.push(await command(['send', 'session-terminated', '--session', 'sent-nobody', '--wait']))
    runs.push(await command(['send', 'user-signed-out', '--user', 'send-nobody', '--wait']))
    for (const [i, { status, stderr }] of runs.entries()) {
      expect(status).toBe(1)
      expect(stderr).toMatch(/^logout-relay: error: /m)
      expect(stderr).toContain(['session sent-nobody', 'user send-nobody'][i % 2])
    }
  })

  test('user-signed-out everywhere: 1 when an RP was not told, and why', async () => {
    site.rps.uri('/broken', 410)
    const registrations = ['/well', '/broken'].map((path) => site.registration(path, { userId: 'send-bob' }))
    await site.registerInRedis(...registrations)
    const send = () => command(['send', 'user-signed-out', '--user', 'send-bob', '--wait', '20'])
    const { status, stdout } = await send()
    expect(status).toBe(1)
    expect(stdout).toMatch(/^sent user-signed-out [\w-]{36} to .*\/\d at offset \d+\n/)
    expect(stdout).toContain('client-well: sent, status 200, attempts 1\n')
    expect(stdout).toContain('client-broken: failed: rejected (HTTP 410), attempts 1\n')
    expect(stdout).toMatch(/2 RPs: 1 sent, 1 failed\n$/)
    // Redis has forgotten the user; the outcomes have not.
    expect(await send()).toMatchObject({ status: 0, stdout: expect.stringContaining('nothing was owed') })
  })

  test('1 when it is still owed at the end of the time, or no relay takes it up', async () => {
    site.rps.uri('/silent', () => undefined)
    const silent = site.registration('/silent', { sessionId: 'silent-1' })
    const idle = site.registration('/idle', { sessionId: 'idle-1' })
    await site.registerInRedis(silent, idle)
    const [owed, nobody] = await Promise.all([
      command(['send', 'session-terminated', '--session', 'silent-1', '--wait', '3']),
      command(['send', 'session-terminated', '--session', 'idle-1', '--wait', '1s', '--json'], {
        REDIS_PREFIX: `${site.prefix}:idle`,
      }),
    ])
    expect(owed).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('1 RP: 0 sent, 1 still owed'),
    })
    expect(owed.stderr).toContain('still owed to client-silent')
    expect(nobody).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('no relay has read the trigger'),
    })
  })

  test('3 when Redis goes away while it waits', async () => {
    site.rps.uri('/waits', () => undefined)
    await site.registerInRedis(site.registration('/waits', { sessionId: 'waits-1' }))
    const redis = new LateServer(await freePort(), inject('redisUrl'))
    await redis.open()
    try {
      const away = { REDIS_URL: `redis://127.0.0.1:${redis.port}` }
      const { status, rows, stderr } = await relayCommand(
        ['send', 'session-terminated', '--session', 'waits-1', '--wait', '--json'],
        site.commandEnvironment(away),
        { onRow: () => void redis.close() },
      )
      expect({ status, sent: rows.length }).toEqual({ status: 3, sent: 1 })
      expect(stderr).toMatch(/^logout-relay: .*Redis.*\n$/)
    } finally {
      await redis.close()
    }
  })

  test('an issuer that no relay serves is told, and so is one of which nothing is known here', async () => {
    const send = ['send', 'session-terminated', '--session', 's', '--issuer', 'https://typo.test.example']
    const [refused, unknown] = await Promise.all([command(send), command(send, { ISSUER: '' })])
    expect(refused).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringContaining('typo.test.example'),
    })
    expect(unknown).toMatchObject({ status: 0, stderr: expect.stringContaining('is not known') })
  })

  test('without --wait it needs no Redis; a topic that does not exist is told', async () => {
    const away = { REDIS_URL: '' }
    const [sent, missing] = await Promise.all([
      command(['send', 'session-terminated', '--session', 'quick', '--user', 'u', '--json'], away),
      command(['send', 'session-terminated', '--session', 's', '--topic', `${site.topic.name}.none`], away),
    ])
    expect(sent).toMatchObject({ status: 0, stderr: '' })
    expect(sent.rows).toHaveLength(1)
    expect(missing).toMatchObject({ status: 1, stdout: '' })
    expect(missing.stderr).toMatch(/not in KAFKA_TOPICS/)
    expect(missing.stderr).toMatch(/does not exist; create it/)
    expect(missing.stderr).not.toMatch(/^ +at /m)
  })
})
