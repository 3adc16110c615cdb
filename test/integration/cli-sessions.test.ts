import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../support/free-port.ts'
import { relayCommand } from '../support/relay-command.ts'
import { ISSUER, type RelaySite } from '../support/relay-site.ts'
import { openSite } from './open-site.ts'

let site: RelaySite

beforeAll(async () => {
  site = await openSite()
})
afterAll(() => site.close())

const command = (args: readonly string[], env: Record<string, string> = {}, input?: string) =>
  relayCommand(args, site.commandEnvironment(env), input === undefined ? {} : { input })

/** Options that describe a registration. */
function described(registration: ReturnType<RelaySite['registration']>): string[] {
  const { sessionId, oidcSessionId, clientId, userId, backchannelLogoutUri } = registration
  return [
    ...['--session', sessionId, '--oidc-session', oidcSessionId],
    ...['--client', clientId, '--user', userId, '--uri', backchannelLogoutUri],
  ]
}

// All at one time, the first one first: to find out that nobody answers takes seconds.
describe.concurrent('sessions', () => {
  test('a command ends with 3 when Redis or Kafka are out of reach, and shows no password', async () => {
    const nowhere = `127.0.0.1:${await freePort()}`
    const withoutRedis = { REDIS_URL: `redis://user:hunter2@${nowhere}` }
    const [list, send, trace] = await Promise.all([
      command(['sessions', 'list'], withoutRedis),
      command(['send', 'session-terminated', '--session', 's'], { KAFKA_BROKERS: nowhere }),
      command(['trace', 's'], { KAFKA_BROKERS: nowhere }),
    ])
    expect(list).toMatchObject({
      status: 3,
      stdout: '',
      stderr: expect.stringContaining('Redis could not be'),
    })
    expect(send).toMatchObject({
      status: 3,
      stdout: '',
      stderr: expect.stringContaining('Kafka could not be'),
    })
    expect(trace).toMatchObject({ status: 3, stdout: '' })
    expect(list.stderr).not.toContain('hunter2')
  })

  test('list: of a user, of a client, all of them; and no more than were asked for', async () => {
    const alice = ['/list-a', '/list-b'].map((path) =>
      site.registration(path, { userId: 'list-alice', sessionId: 'list-1' }),
    )
    const bob = site.registration('/list-a', { userId: 'list-bob', sessionId: 'list-2' })
    const foreign = site.sessionKey('list-foreign')
    await site.redis.set(foreign, 'somebody else')
    await site.registerInRedis(...alice, bob)

    const [ofUser, ofClient, one, none, empty] = await Promise.all([
      command(['sessions', 'list', '--user', 'list-alice', '--json']),
      command(['sessions', 'list', '--client', 'client-list-a', '--json']),
      command(['sessions', 'list', '--user', 'list-alice', '--limit', '1']),
      command(['sessions', 'list', '--issuer', 'https://other.test.example', '--json']),
      command(['sessions', 'list'], { REDIS_PREFIX: `${site.prefix}:none` }),
    ])
    expect(ofUser).toMatchObject({ status: 0, stderr: '' })
    expect(ofUser.rows).toEqual([
      {
        issuer: ISSUER,
        sessionId: 'list-1',
        userIds: ['list-alice'],
        clientIds: expect.arrayContaining(['client-list-a', 'client-list-b']),
        registrations: 2,
        hasEnded: false,
        expiresInMs: expect.any(Number),
      },
    ])
    expect(ofClient.rows.map(({ sessionId }) => sessionId).sort()).toEqual(['list-1', 'list-2'])
    expect(one.stdout).toMatch(
      /^SESSION +USER +REGISTRATIONS +CLIENTS +STATE +EXPIRES IN\nlist-1 +list-alice +\d .*\n$/,
    )
    // Nobody knows that issuer, so it is a slip; the relay's own may have no session.
    expect(none).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining('not configured') })
    expect(empty).toMatchObject({ status: 0, stdout: '' })
  })

  test('register: as the topic does, and show and remove what was registered', async () => {
    const registration = site.registration('/register')
    const { sessionId, oidcSessionId, clientId } = registration
    const uri = `${registration.backchannelLogoutUri}?key=hunter2`
    const options = described({ ...registration, backchannelLogoutUri: uri })
    const registered = await command(['sessions', 'register', ...options, '--json'])
    expect(registered.status).toBe(0)
    expect(registered.rows).toEqual([{ sessionId, clientId, oidcSessionId, result: 'registered' }])
    expect(registered.stderr).toContain('only Redis')
    const stored = JSON.parse((await site.redis.hget(site.sessionKey(sessionId), oidcSessionId)) ?? '')
    expect(stored).toMatchObject({ issuer: ISSUER, sid: sessionId, backchannelLogoutUri: uri })
    expect(
      await site.redis.zrange(`${site.prefix}:user:{${ISSUER}|${registration.userId}}`, '0', '-1'),
    ).toEqual([sessionId])

    const [shown, unsure] = await Promise.all([
      command(['sessions', 'show', sessionId]),
      command(['sessions', 'remove', sessionId]),
    ])
    expect(shown.status).toBe(0)
    expect(shown.stdout).toMatch(/ended +no/)
    expect(shown.stdout).toMatch(new RegExp(`${clientId} +${oidcSessionId} .* alive .*/register\\?…`))
    expect(shown.stdout).not.toContain('hunter2')
    expect(unsure).toMatchObject({ status: 2, stderr: expect.stringContaining('--yes: is required') })
    expect(await site.redis.exists(site.sessionKey(sessionId))).toBe(1)

    const other = await command(['sessions', 'remove', sessionId, '--client', 'other', '--yes'])
    expect(other).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining('no such') })
    const removed = await command(['sessions', 'remove', sessionId, '--client', clientId, '--yes'])
    expect(removed.status).toBe(0)
    expect(removed.stdout).toContain(oidcSessionId)
    expect(removed.stderr).toContain('no outcome was published')
    expect(await site.redis.exists(site.sessionKey(sessionId))).toBe(0)
    expect(site.rps.at('/register')).toEqual([])
  })

  test('register: a session that had ended is told with its trigger; what was settled is not written again', async () => {
    const late = site.registration('/late')
    const settled = site.registration('/settled', { sessionId: late.sessionId })
    const mark = ['t-1', 'session-events', 2, 7]
    const ended = `${site.prefix}:ended:{${ISSUER}|${late.sessionId}}`
    await site.redis.set(ended, `${JSON.stringify(mark)}\n${settled.oidcSessionId}`, 'EX', 600)
    const lines = [late, settled].map((it) => JSON.stringify(it)).join('\n')
    const [{ status, rows, stderr }, table] = [
      await command(['sessions', 'register', '--stdin', '--json'], {}, lines),
      await command(['sessions', 'register', '--stdin'], {}, JSON.stringify(late)),
    ]
    expect(status).toBe(1)
    expect(rows).toMatchObject([
      {
        result: 'session-ended',
        endedBy: { id: 't-1', topic: 'session-events', partition: 2, offset: 7 },
      },
      { result: 'already-settled' },
    ])
    expect(stderr).toContain('got no logout')
    expect(table).toMatchObject({ status: 1, stdout: expect.stringContaining('t-1 (session-events/2/7)') })
    expect(await site.redis.hkeys(site.sessionKey(late.sessionId))).toEqual([late.oidcSessionId])
    const shown = await command(['sessions', 'show', late.sessionId])
    expect(shown.stdout).toMatch(/ended +yes, by t-1 \(session-events\/2\/7\)/)
    expect(shown.stdout).toContain(settled.oidcSessionId)
  })

  test('register: wrong fields are named, with where they stand, and nothing is written', async () => {
    const sound = site.registration('/sound')
    const wrong = { ...site.registration('/wrong'), backchannelLogoutUri: 'ftp://hunter2', alg: 'none' }
    const lines = [sound, wrong].map((it) => JSON.stringify(it)).join('\n')
    const [fromInput, fromOptions, noJson, nothing, foreign] = await Promise.all([
      command(['sessions', 'register', '--stdin'], {}, lines),
      command(['sessions', 'register', ...described(sound).slice(0, 6)]),
      command(['sessions', 'register', '--stdin'], {}, '{"sessionId":'),
      command(['sessions', 'register']),
      command(['sessions', 'register', '--stdin'], {}, JSON.stringify({ ...sound, issuer: 'https://x' })),
    ])
    for (const { status, stdout, stderr } of [fromInput, fromOptions, noJson, nothing, foreign]) {
      expect(status).toBe(2)
      expect(stdout).toBe('')
      expect(stderr).not.toMatch(/^ +at /m)
    }
    expect(fromInput.stderr).toMatch(/line 2: .*alg: /)
    expect(fromInput.stderr).toMatch(/line 2: .*backchannelLogoutUri: must be an https/)
    expect(fromInput.stderr).not.toContain('hunter2')
    expect(fromOptions.stderr).toMatch(/userId: /)
    expect(noJson.stderr).toContain('line 1: is not JSON')
    expect(nothing.stderr).toContain('--stdin')
    expect(foreign.stderr).toContain('issuer: ')
    expect(await site.redis.exists(site.sessionKey(sound.sessionId))).toBe(0)
  })

  test('show: a session that nobody knows, and one whose key holds something else', async () => {
    await site.redis.set(site.sessionKey('show-foreign'), 'somebody else')
    const [unknown, foreign] = await Promise.all([
      command(['sessions', 'show', 'nobody']),
      command(['sessions', 'show', 'show-foreign']),
    ])
    expect(unknown).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringContaining('no session nobody'),
    })
    expect(foreign).toMatchObject({ status: 0, stdout: expect.stringContaining('another application') })
  })

  test('a command that is misspelt is refused with a suggestion', async () => {
    const { status, stdout, stderr } = await command(['sessions', 'list', '--usr', 'alice'])
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toContain('Did you mean --user?')
  })

  test('a command says which setting is missing or wrong, and shows no value', async () => {
    const wrong = await command(['trace', 's'], { ISSUER: '', REDIS_URL: 'http://:hunter2@example' })
    expect(wrong.stderr).toContain('ISSUER: is required')
    expect(wrong).toMatchObject({ status: 2, stderr: expect.stringContaining('REDIS_URL: ') })
    expect(wrong.stderr).not.toContain('hunter2')
  })
})
