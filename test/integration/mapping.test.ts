import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { relayCommand } from '../support/relay-command.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import { ISSUER, type RelaySite } from '../support/relay-site.ts'
import { runRelay } from '../support/run-relay.ts'
import { replaceFile } from '../support/signing-key-file.ts'
import { openSite } from './open-site.ts'

const CLIENT = 'mapped-shop'

let site: RelaySite
let relay: RelayProcess
let file: string

const keycloak = () =>
  `mappings:\n  - topics: ["${site.topic.name}"]\n    preset: keycloak\n    issuer: ${ISSUER}\n`
/** As Keycloak's listeners write them: no key, and nulls where there is nothing. */
const event = (type: string, sessionId: string, userId: string, more: object = {}) => ({
  key: null,
  value: JSON.stringify({
    ...{ id: randomUUID(), time: Date.now(), type, realmId: 'r-1', realmName: 'shop', clientId: null },
    ...{ userId, sessionId, ipAddress: null, error: null, details: {} },
    ...more,
  }),
})
const admin = (operationType: string, resourcePath: string, representation: string | null = null) => ({
  key: null,
  value: JSON.stringify({
    ...{ id: randomUUID(), time: Date.now(), realmId: 'r-1', authDetails: { realmId: 'r-0', userId: 'adm' } },
    ...{ resourceType: 'USER', operationType, resourcePath, representation, error: null },
  }),
})

beforeAll(async () => {
  site = await openSite()
  file = join(site.folder, 'mapping.yaml')
  await replaceFile(file, keycloak())
  await site.redis.hset(`${site.prefix}:client:{${ISSUER}|${CLIENT}}`, {
    backchannelLogoutUri: site.rps.uri('/mapped'),
  })
  relay = await site.startRelay({ MAPPING_FILE: file, CHECK_INTERVAL_MS: '200' })
})
afterAll(() => site.close())

describe('a platform that writes its own records, and no registrations', () => {
  test.each([
    ['a logout', (sid: string, user: string) => event('LOGOUT', sid, user)],
    ['an expired session', (sid: string, user: string) => event('USER_SESSION_DELETED', sid, user)],
    [
      'a session that an administrator removes',
      (sid: string) => admin('DELETE', `sessions/${sid}`, '{"offline":false}'),
    ],
    [
      'an administrator logs the user out',
      (_: string, user: string) => admin('ACTION', `users/${user}/logout`),
    ],
    [
      'a user that is disabled',
      (_: string, user: string) => admin('UPDATE', `users/${user}`, '{"enabled":false}'),
    ],
    ['a user that is deleted', (_: string, user: string) => admin('DELETE', `users/${user}`)],
  ])('%s', async (_what, end) => {
    const [sid, user] = [randomUUID(), randomUUID()]
    const before = site.rps.at('/mapped').length
    await site.topic.publish(
      event('LOGIN', sid, user, { clientId: CLIENT }),
      event('CODE_TO_TOKEN', sid, user, { clientId: CLIENT }),
      end(sid, user),
    )
    const outcome = await site.topic.waitForOutcome(CLIENT, sid)
    expect(outcome.data).toMatchObject({ issuer: ISSUER, sub: user, sid, status: 200 })
    expect(site.rps.at('/mapped').length).toBe(before + 1)
  })

  test('a client whose logout URL only the platform tells', async () => {
    const [sid, user, clientId] = [randomUUID(), randomUUID(), `told-${randomUUID()}`]
    const attributes = { 'backchannel.logout.url': site.rps.uri('/told-by-the-platform') }
    await site.topic.publish(
      event('LOGIN', sid, user, { clientId }),
      admin('UPDATE', `clients/${randomUUID()}`, JSON.stringify({ clientId, attributes })),
    )
    await eventually(async () => expect(await site.redis.exists(site.sessionKey(sid))).toBe(1))
    await site.topic.publish(event('LOGOUT', sid, user))
    const outcome = await site.topic.waitForOutcome(clientId, sid)
    expect(outcome.data).toMatchObject({ sub: user, sid, status: 200 })
    expect(site.rps.at('/told-by-the-platform')).toHaveLength(1)
  })

  test('a broken file is refused with every problem and the rules of before stay, at a start and while it runs', async () => {
    await replaceFile(file, `${keycloak()}    causes: [nothing]\n    surprise: 1\n`)
    await eventually(async () =>
      expect(await readMetric(relay, 'check_findings', { check: 'mapping-file', severity: 'warning' })).toBe(
        1,
      ),
    )
    const [sid, user] = [randomUUID(), randomUUID()]
    await site.topic.publish(event('LOGIN', sid, user, { clientId: CLIENT }), event('LOGOUT', sid, user))
    await site.topic.waitForOutcome(CLIENT, sid)
    const { output, status } = await runRelay(site.commandEnvironment({ MAPPING_FILE: file }))
    expect(status).toBe(2)
    for (const line of [5, 6]) expect(output).toContain(`${file}:${line}`)
    await replaceFile(file, keycloak())
    await eventually(async () =>
      expect(await readMetric(relay, 'check_findings', { check: 'mapping-file', severity: 'warning' })).toBe(
        0,
      ),
    )
  })

  test('`map` says what the records of a topic become, and `trace` and a rebuild read them alike', async () => {
    const [sid, user] = [randomUUID(), randomUUID()]
    await site.topic.publish(
      event('LOGIN', sid, user, { clientId: CLIENT }),
      event('REGISTER', sid, user),
      event('LOGOUT', sid, user),
    )
    await site.topic.waitForOutcome(CLIENT, sid)
    const env = site.commandEnvironment({ MAPPING_FILE: file })
    const { rows } = await relayCommand(['map', '--topic', site.topic.name, '--from', '10m', '--json'], env)
    expect(rows).toContainEqual(
      expect.objectContaining({ rule: 'logout', becomes: 'session-terminated', sessionId: sid }),
    )
    expect(rows).toContainEqual(
      expect.objectContaining({ rule: 'login', becomes: 'registration', sessionId: sid, clientId: CLIENT }),
    )
    const traced = await relayCommand(['trace', user, '--json'], env)
    expect(traced.stdout).toContain('session-terminated')
    expect(traced.stdout).toContain('sent')
  })

  test('`map` reads standard input by the rules of the only mapping, and asks for the topic where there are several', async () => {
    const own = join(site.folder, 'several.yaml')
    const rule = `{ name: out, when: 'value.out == true', emit: { type: user-signed-out, userId: /u } }`
    const map = (...args: string[]) =>
      relayCommand(['map', '--json', ...args], { MAPPING_FILE: own }, { input: '\ufeff{"out":true,"u":7}' })
    await replaceFile(own, `mappings: [{ topics: ["audit.*"], rules: [${rule}] }]`)
    expect((await map()).rows).toMatchObject([{ rule: 'out', becomes: 'user-signed-out', userId: '7' }])
    await replaceFile(own, `mappings: [{ topics: [a], preset: ory }, { topics: [b], rules: [${rule}] }]`)
    expect(await map()).toMatchObject({ status: 2, stderr: expect.stringContaining('--topic') })
    expect((await map('--topic', 'b')).rows).toMatchObject([{ rule: 'out' }])
    const { rows, stderr } = await map('--topic', 'c')
    expect(rows).toMatchObject([{ becomes: expect.not.stringContaining('user-signed-out') }])
    expect(stderr).toContain('no rules for c, but for a, b')
  })

  test('the end of a long output is missing for a program that reads it: it is whole', async () => {
    const lines = Array.from({ length: 10_000 }, () => event('LOGOUT', randomUUID(), 'u').value)
    const input = lines.join('\n')
    const { rows } = await relayCommand(['map', '--preset', 'keycloak', '--json'], {}, { input })
    expect(rows).toHaveLength(lines.length)
  })

  test('what each rule takes is counted, and `doctor` names those that took nothing of late', async () => {
    const [sid, user] = [randomUUID(), randomUUID()]
    await site.topic.publish(
      event('LOGIN', sid, user, { clientId: CLIENT }),
      event('REGISTER', sid, user),
      event('LOGOUT', sid, user),
    )
    await site.topic.waitForOutcome(CLIENT, sid)
    const of = (rule: string) => readMetric(relay, 'mapped_records_total', { mapping: site.topic.name, rule })
    expect(await of('logout')).toBeGreaterThan(0)
    expect(await of('')).toBeGreaterThan(0)
    // Beside the preset a rule of the operator that cannot be met.
    const rule = `{ name: own, when: 'value.type == "SIGN_OFF"', emit: nothing }`
    const own = join(site.folder, 'own-rule.yaml')
    await replaceFile(own, `${keycloak()}    rules: [${rule}]\n`)
    const env = site.commandEnvironment({ MAPPING_FILE: own })
    const rules = async (settings: Readonly<Record<string, string>>) => {
      const { rows } = await relayCommand(['doctor', '--json'], settings)
      return rows.filter(({ check }) => check === 'mapping-rules')
    }
    const [warning, hint] = await rules(env)
    expect(warning).toMatchObject({ severity: 'warning', about: site.topic.name })
    expect(warning?.text).toMatch(/\bown\b.*the last \d+ record/)
    expect(hint).toMatchObject({ severity: 'hint' })
    expect(hint?.text).not.toMatch(/\blogout\b/)
    expect(await rules(site.commandEnvironment())).toMatchObject([{ severity: 'ok' }])
    await replaceFile(own, `${keycloak()}    surprise: 1\n`)
    const { rows } = await relayCommand(['doctor', '--json'], env)
    expect(rows.find(({ check }) => check === 'mapping-file')).toMatchObject({
      severity: 'error',
      text: expect.stringContaining('own-rule.yaml:5'),
    })
  })

  test('a relay that is killed in the middle, and a Redis that is emptied: every session is told, under one outcome', async () => {
    const people = Array.from({ length: 200 }, () => ({ sid: randomUUID(), user: randomUUID() }))
    const logins = people.map(({ sid, user }) => event('LOGIN', sid, user, { clientId: CLIENT }))
    await site.topic.publish(
      ...logins,
      ...people.slice(0, 100).map(({ sid, user }) => event('LOGOUT', sid, user)),
    )
    const idsFor = () => {
      const wanted = new Set<unknown>(people.map(({ sid }) => sid))
      const mine = site.topic.outcomes.filter(({ data }) => wanted.has(data.sessionId))
      return Map.groupBy(mine, ({ data }) => data.sessionId)
    }
    await eventually(() => expect(idsFor().size).toBeGreaterThan(0))
    await relay.kill()
    relay = await site.startRelay({ MAPPING_FILE: file, CHECK_INTERVAL_MS: '200' })
    await eventually(() => expect(idsFor().size).toBe(100))
    const settings = `${site.prefix}:client:{${ISSUER}|${CLIENT}}`
    const uri = site.rps.uri('/mapped')
    await site.redis.del(await site.redisKeys())
    await site.redis.hset(settings, { backchannelLogoutUri: uri })
    await site.topic.publish(...people.slice(100).map(({ sid, user }) => event('LOGOUT', sid, user)))
    await eventually(() => expect(idsFor().size).toBe(people.length))
    for (const [, outcomes] of idsFor()) {
      expect(new Set(outcomes.map(({ headers }) => headers.ce_id)).size).toBe(1)
      expect(outcomes[0]?.headers.ce_type).toBe('backchannel-logout-sent')
    }
  })
})

test('a platform that uses the ids of sessions again: an event that comes late, or twice, ends no later login', async () => {
  const other = await openSite()
  await using _ = { [Symbol.asyncDispose]: () => other.close() }
  const own = join(other.folder, 'mapping.yaml')
  await replaceFile(
    own,
    `mappings:\n  - topics: ["${other.topic.name}"]\n    preset: fusionauth\n    issuer: ${ISSUER}\n`,
  )
  const [user, client, path] = [randomUUID(), randomUUID(), '/reused']
  await other.redis.hset(`${other.prefix}:client:{${ISSUER}|${client}}`, {
    backchannelLogoutUri: other.rps.uri(path),
  })
  const at = (type: string, createInstant: number) => {
    const who = { tenantId: 't-1', applicationId: client, userId: user, user: { id: user } }
    return { key: null, value: JSON.stringify({ event: { id: randomUUID(), type, createInstant, ...who } }) }
  }
  await other.startRelay({ MAPPING_FILE: own })
  const revoked = 'jwt.refresh-token.revoke'
  const before = at(revoked, Date.now() - 600_000)
  await other.topic.publish(at('user.login.success', Date.now()), before, before)
  await eventually(async () => expect(await other.topic.lag(other.groupId)).toBe(0))
  expect(other.rps.at(path)).toEqual([])
  await other.topic.publish(at(revoked, Date.now()))
  await other.rps.waitFor(path)
})
