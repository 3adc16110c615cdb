import { afterEach, beforeEach, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { inputRecord } from '../support/input-record.ts'
import { relayCommand } from '../support/relay-command.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import { ISSUER, type RegistrationInput, type RelaySite } from '../support/relay-site.ts'
import { privateJwk } from '../support/signing-key-file.ts'
import { TopicLog, type TopicRecord } from '../support/topic-log.ts'
import { openSite } from './open-site.ts'

let site: RelaySite
let shadows: TopicLog | undefined
beforeEach(async () => {
  site = await openSite()
})
afterEach(async () => {
  await shadows?.close()
  shadows = undefined
  await site.close()
})

/** A relay in shadow mode, and what it writes. */
async function startShadow(env: Readonly<Record<string, string>> = {}): Promise<RelayProcess> {
  const relay = await site.startRelay({ MODE: 'shadow', ...env })
  shadows ??= await TopicLog.follow(site.kafkaBrokers, `${site.topic.name}.shadow`)
  return relay
}

const shadowed = (): readonly TopicRecord[] =>
  (shadows?.records ?? []).filter(({ headers }) => headers.ce_type === 'backchannel-logout-shadowed')
const idsOf = (records: readonly TopicRecord[]) => new Set(records.map(({ headers }) => headers.ce_id))
const told = (path: string) => site.rps.at(path).map(({ claims }) => String(claims.sid))
const sids = (registrations: readonly RegistrationInput[]) =>
  registrations.map(({ sessionId }) => sessionId).sort()
const allApplied = () => eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))

async function logIn(...registrations: readonly RegistrationInput[]): Promise<void> {
  await site.topic.publish(...registrations.map((it) => site.registered(it)))
}

async function logOut(...registrations: readonly RegistrationInput[]): Promise<void> {
  await site.topic.publish(...registrations.map((it) => site.terminated(it)))
}

const many = (count: number, path: string) => Array.from({ length: count }, () => site.registration(path))

/** Its sessions have ended, and the relay has said so of each. */
async function shadow(registrations: readonly RegistrationInput[]): Promise<void> {
  const before = idsOf(shadowed()).size
  await logIn(...registrations)
  await logOut(...registrations)
  await eventually(() => expect(idsOf(shadowed()).size).toBe(before + registrations.length))
  await allApplied()
}

async function stored(registration: RegistrationInput): Promise<Record<string, unknown> | undefined> {
  const json = await site.redis.hget(site.sessionKey(registration.sessionId), registration.oidcSessionId)
  return json === null ? undefined : JSON.parse(json)
}

test('a shadow calls no RP and says of every registration what would have been', async () => {
  const cases = [
    { would: 'send', registration: site.registration('/send') },
    {
      would: 'blocked',
      registration: site.registration('/metadata', { backchannelLogoutUri: 'http://169.254.169.254/x' }),
    },
    {
      would: 'unreachable',
      registration: site.registration('/nowhere', { backchannelLogoutUri: 'https://rp.invalid/x' }),
    },
    { would: 'blocked', registration: site.registration('/foreign', { clientId: 'tied' }) },
    { would: 'invalid', registration: site.registration('/alg', { alg: 'EdDSA' }) },
  ]
  await site.writeKeys(privateJwk('rsa', 'test-rsa'))
  const relay = await startShadow({ CLIENT_HOSTS: 'tied=rp.example.com' })
  await shadow(cases.map(({ registration }) => registration))
  for (const { would, registration } of cases) {
    const [record] = shadowed().filter(({ data }) => data.sessionId === registration.sessionId)
    expect(record?.data).toMatchObject({
      would,
      issuer: ISSUER,
      clientId: registration.clientId,
      oidcSessionId: registration.oidcSessionId,
      attempts: 0,
      status: null,
      trigger: { topic: site.topic.name },
    })
    if (would !== 'send') expect(record?.data.error).toEqual(expect.any(String))
    // It stays, and is owed by nobody.
    expect(await stored(registration)).toMatchObject({ clientId: registration.clientId, shadowed: true })
  }
  expect(site.rps.connections).toBe(0)
  expect(site.topic.outcomes).toEqual([])
  expect(await readMetric(relay, 'deliveries_total', { outcome: 'shadowed', reason: '' })).toBe(1)
  expect(await readMetric(relay, 'deliveries_total', { outcome: 'shadowed', reason: 'blocked' })).toBe(2)
  expect(await readMetric(relay, 'mode_info', { mode: 'shadow' })).toBe(1)
  expect(await site.redisKeys('*backlog*')).toEqual([])
})

test('then in live mode: what ended in shadow is told to nobody, also not when Redis is lost; what goes on is told', async () => {
  const over = many(20, '/over')
  const alive = many(10, '/alive')
  const relay = await startShadow()
  await logIn(...alive)
  await shadow(over)
  expect(await relay.stop()).toBe(0)
  await site.startRelay()
  await logOut(...alive.slice(0, 5))
  await eventually(() => expect(told('/alive').sort()).toEqual(sids(alive.slice(0, 5))))
  // Another trigger for a session that ended in shadow, and one for all sessions of a user, find nothing owed.
  await logOut(...over)
  await allApplied()
  const keys = await site.redisKeys()
  await site.redis.del(keys)
  await eventually(async () => expect(await site.redisKeys('epoch')).toHaveLength(1))
  await logOut(...alive.slice(5))
  await eventually(() => expect(told('/alive').sort()).toEqual(sids(alive)))
  await allApplied()
  expect(told('/over')).toEqual([])
  expect(new Set(shadowed().map(({ data }) => data.sessionId))).toEqual(new Set(sids(over)))
})

test('paused for the switch while it is a shadow: what ends then is shadowed, and owed to nobody in live mode', async () => {
  const [over, alive] = many(2, '/paused') as [RegistrationInput, RegistrationInput]
  const set = (state: string) =>
    site.topic.publish(
      ...[over, alive].map(({ clientId }) => inputRecord('client-configured', { clientId, state })),
    )
  const relay = await startShadow()
  await set('paused')
  await logIn(alive)
  await shadow([over])
  expect(await stored(over)).toMatchObject({ shadowed: true })
  expect(await relay.stop()).toBe(0)
  await site.startRelay()
  await logOut(over, alive)
  await allApplied()
  expect(told('/paused')).toEqual([])
  await set('active')
  await eventually(() => expect(told('/paused')).toEqual([alive.sessionId]))
  const { rows } = await relayCommand(['trace', over.sessionId, '--json'], site.commandEnvironment())
  expect(rows.at(-1)).toMatchObject({ shadowed: 1, owed: 0, missing: 0 })
})

test('a sign-out everywhere in live mode tells of a session of today, and of none that ended in shadow', async () => {
  const userId = 'shadow-alice'
  const [old, current] = ['/old', '/current'].map((path) => site.registration(path, { userId })) as [
    RegistrationInput,
    RegistrationInput,
  ]
  const relay = await startShadow({ TOMBSTONE_MS: '1000' })
  await shadow([old])
  await logIn(current)
  await allApplied()
  // What remembers the ending is gone before the relay is switched; the registration is not.
  await eventually(async () => expect(await site.redisKeys('ended:*')).toEqual([]))
  expect(await stored(old)).toMatchObject({ shadowed: true })
  expect(await relay.stop()).toBe(0)
  await site.startRelay()
  // The same login once more changes nothing.
  await logIn(old)
  await site.topic.publish(inputRecord('user-signed-out', { issuer: ISSUER, userId }))
  await eventually(() => expect(told('/current')).toEqual([current.sessionId]))
  await allApplied()
  expect(told('/old')).toEqual([])
})

test('Redis is lost while the relay is a shadow: sessions that go on are shadowed later, and none twice', async () => {
  const [over, alive] = [many(10, '/over'), many(10, '/alive')]
  await startShadow()
  await logIn(...alive)
  await shadow(over)
  const written = shadowed().length
  await site.redis.del(await site.redisKeys())
  await eventually(async () => expect(await site.redisKeys('epoch')).toHaveLength(1))
  await logOut(...alive)
  await eventually(() =>
    expect(new Set(shadowed().map(({ data }) => data.sessionId)).size).toBe(over.length + alive.length),
  )
  await allApplied()
  expect(shadowed()).toHaveLength(written + alive.length)
  expect(site.rps.connections).toBe(0)
})

test('a shadow that is killed in the middle: every registration is shadowed, under one id', async () => {
  const registrations = many(500, '/crash')
  const relay = await startShadow()
  await logIn(...registrations)
  await allApplied()
  await logOut(...registrations)
  await eventually(() => expect(shadowed().length).toBeGreaterThan(0))
  await relay.kill()
  await startShadow()
  await eventually(() => expect(idsOf(shadowed()).size).toBe(registrations.length))
  await allApplied()
  expect(site.rps.connections).toBe(0)
})

test('a shadow that dies before Redis knows what it has committed: what it had parked is shadowed too', async () => {
  const registrations = many(1_000, '/parked')
  const positionsKey = `${site.prefix}:positions`
  const relay = await startShadow({ MAX_IN_FLIGHT: '1', MAX_IN_FLIGHT_PER_RP: '1' })
  await logIn(...registrations)
  await allApplied()
  const ends = await site.topic.endOffsets()
  const before = await eventually(async () => {
    const positions = await site.redis.hgetall(positionsKey)
    for (const [partition, end] of ends)
      expect(positions[`${site.topic.name}/${partition}`]).toMatch(new RegExp(`^${end} `))
    return positions
  })
  await logOut(...registrations)
  await eventually(() => expect(shadowed().length).toBeGreaterThan(0))
  // It parks what waits, and commits.
  expect(await relay.stop()).toBe(0)
  const backlogKey = `${site.prefix}:shadow-backlog:{${ISSUER}|client-parked}`
  const parked = await site.redis.zrange(backlogKey, '0', '-1')
  expect(parked.length).toBeGreaterThan(0)
  // As though it had claimed them: the next one reads their triggers again before it comes to them.
  const leaseUntilMs = Date.now() + 20_000
  await site.redis.zadd(backlogKey, ...parked.flatMap((member) => [leaseUntilMs, member]))
  // As it stands there until a second after a commit.
  await site.redis.hset(positionsKey, before)
  await startShadow()
  await eventually(() => expect(idsOf(shadowed()).size).toBe(registrations.length))
  await allApplied()
  expect(site.rps.connections).toBe(0)
})

test('the report: per RP what would be sent, what not and why, and triggers without any registration', async () => {
  const bad = { clientId: 'bad', backchannelLogoutUri: 'http://10.0.0.1/x' }
  const registrations = [...many(3, '/good'), site.registration('/', bad), site.registration('/', bad)]
  // Triggers from before the first start mean nothing to it.
  await logOut(...many(5, '/before'))
  await startShadow()
  await shadow(registrations)
  await logOut(...many(2, '/unknown'), ...registrations)
  await allApplied()
  const report = (...args: string[]) => relayCommand(['shadow', 'report', ...args], site.commandEnvironment())
  const { rows, status, stderr } = await report('--json')
  expect({ status, stderr }).toEqual({ status: 1, stderr: '' })
  const [first, second, summary] = rows
  expect(first).toMatchObject({
    clientId: 'bad',
    deliveries: 2,
    send: 0,
    problems: [{ would: 'blocked', error: expect.stringContaining('EGRESS_ALLOW'), deliveries: 2 }],
  })
  expect(second).toMatchObject({
    issuer: ISSUER,
    clientId: 'client-good',
    deliveries: 3,
    send: 3,
    problems: [],
  })
  expect(summary).toMatchObject({ deliveries: 5, send: 3, triggers: 12, withoutRegistration: 2, unread: 0 })
  const ofOne = await report('--client', 'client-good', '--since', '1h')
  expect(ofOne).toMatchObject({ status: 0, stderr: '' })
  expect(ofOne.stdout).toContain('client-good')
  expect(ofOne.stdout).not.toContain('bad')
  expect(await report('--since', new Date(Date.now() + 3_600_000).toISOString())).toMatchObject({ status: 1 })
})

test('commands in shadow mode: what they show is shadowed, and nothing is replayed', async () => {
  const registration = site.registration('/shown', { sessionId: 'shown', userId: 'shown-alice' })
  await startShadow()
  await logIn(registration)
  await allApplied()
  const run = (...args: string[]) => relayCommand(args, site.commandEnvironment({ MODE: 'shadow' }))
  const sent = await run('send', 'session-terminated', '--session', 'shown', '--wait', '--json')
  expect(sent.rows[1]).toMatchObject({ outcome: 'shadowed', would: 'send', clientId: registration.clientId })
  // Nobody was told.
  expect(sent.status).toBe(1)
  const traced = await run('trace', 'shown-alice', '--json')
  expect(traced.rows.at(-1)).toMatchObject({ kind: 'summary', shadowed: 1, owed: 0, missing: 0 })
  const listed = await run('sessions', 'list', '--json')
  expect(listed.rows).toEqual([expect.objectContaining({ sessionId: 'shown', isShadowed: true })])
  expect(await run('replay', '--from', '1h')).toMatchObject({ status: 2 })
  const examined = await run('doctor', '--json')
  expect(examined.rows).toContainEqual(expect.objectContaining({ check: 'mode', severity: 'hint' }))
})

test('what a shadow has parked and not come to is over when the relay goes live, and the next login of it is told', async () => {
  const registrations = many(3_000, '/parked')
  const relay = await startShadow({ MAX_UNSETTLED: '50', MAX_IN_FLIGHT: '2', MAX_IN_FLIGHT_PER_RP: '1' })
  await logIn(...registrations)
  await allApplied()
  await logOut(...registrations)
  await eventually(async () => expect(await site.redisKeys('shadow-backlog:*')).not.toEqual([]))
  await relay.kill()
  const [backlog] = await site.redisKeys('shadow-backlog:*')
  const parked = (await site.redis.zrange(String(backlog), '0', '-1')).map((member) => member.split('\n')[0])
  expect(parked.length).toBeGreaterThan(0)
  await site.startRelay()
  await allApplied()
  expect(await site.redisKeys('shadow-backlog*')).toEqual([])
  // Each is over once: told by the relay that read its trigger live, or shadowed.
  const sessionsOf = (records: readonly TopicRecord[]) => new Set(records.map(({ data }) => data.sessionId))
  await eventually(() => {
    const over = sessionsOf([...shadowed(), ...site.topic.outcomes])
    expect(registrations.filter(({ sessionId }) => !over.has(sessionId))).toEqual([])
  })
  const [ended, live] = [sessionsOf(shadowed()), new Set(told('/parked'))]
  expect(parked.filter((it) => live.has(String(it)))).toEqual([])
  expect(parked.filter((it) => !ended.has(it))).toEqual([])
  // Nobody is told of it by a further trigger; a later login under the same ids is a new one.
  const again = registrations.find(({ sessionId }) => sessionId === parked[0]) as RegistrationInput
  const userSignedOut = inputRecord('user-signed-out', { issuer: ISSUER, userId: again.userId })
  await site.topic.publish(site.terminated(again), userSignedOut)
  await allApplied()
  expect(told('/parked')).not.toContain(again.sessionId)
  await logIn({ ...again, registeredAt: new Date(Date.now() + 4_000).toISOString() })
  await logOut(again)
  await eventually(() => expect(told('/parked')).toContain(again.sessionId))
}, 60_000)

test('what is parked in live mode waits while the relay is a shadow, and is sent afterwards', async () => {
  const owed = site.registration('/down')
  site.rps.uri('/down', 503)
  const live = await site.startRelay()
  await logIn(owed)
  await logOut(owed)
  await site.rps.waitFor('/down', 2)
  expect(await live.stop()).toBe(0)
  const relay = await startShadow()
  const attempts = told('/down').length
  await shadow(many(3, '/other'))
  expect(await relay.stop()).toBe(0)
  expect(told('/down')).toHaveLength(attempts)
  site.rps.uri('/down', 200)
  await site.startRelay()
  const { data } = await site.topic.waitForOutcome(owed.clientId)
  expect(data).toMatchObject({ sessionId: owed.sessionId, status: 200 })
})

test('each command says in which mode it looks, and what the other one has parked', async () => {
  const owed = site.registration('/parked-live')
  site.rps.uri('/parked-live', 503)
  const live = await site.startRelay()
  await logIn(owed)
  await logOut(owed)
  await eventually(async () => expect(await site.redisKeys('backlog:*')).toHaveLength(1))
  expect(await live.stop()).toBe(0)
  const run = (mode: string, ...args: string[]) => relayCommand(args, site.commandEnvironment({ MODE: mode }))
  const looks = [
    ['clients', 'list'],
    ['backlog', 'list'],
    ['backlog', 'show', owed.clientId],
    ['trace', owed.sessionId],
  ]
  for (const args of looks) {
    const { stderr } = await run('shadow', ...args)
    expect(stderr, args.join(' ')).toMatch(
      /shadow mode hold.*live mode have parked 1 delivery, which MODE=live/,
    )
    // What a live relay holds is all there is.
    expect((await run('live', ...args)).stderr, args.join(' ')).not.toContain('shadow')
  }
  const [rp = ''] = (await site.redisKeys('backlog:*')).map((key) =>
    key.slice(`${site.prefix}:backlog:`.length),
  )
  await site.redis.rename(`${site.prefix}:backlog:${rp}`, `${site.prefix}:shadow-backlog:${rp}`)
  await site.redis.rename(`${site.prefix}:backlogs`, `${site.prefix}:shadow-backlogs`)
  const replay = ['replay', '--from', '1h', '--dry-run']
  for (const args of [['backlog', 'list'], ['clients', 'list'], replay])
    expect((await run('live', ...args)).stderr, args.join(' ')).toContain(
      'shadow mode have parked 1 delivery',
    )
})
