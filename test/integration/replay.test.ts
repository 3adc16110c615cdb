import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { inputRecord } from '../support/input-record.ts'
import { type FinishedCommand, relayCommand } from '../support/relay-command.ts'
import { ISSUER, type RegistrationInput, type RelaySite } from '../support/relay-site.ts'
import { end } from '../support/relying-party-server.ts'
import { openSite } from './open-site.ts'

let site: RelaySite

/** They wait ten seconds before they give up; the other tests need not wait with them. */
let withoutBackends: Promise<FinishedCommand[]>

beforeAll(async () => {
  const away = await openSite()
  const nobody = `127.0.0.1:${await freePort()}`
  const run = (command: string, env: Record<string, string>) =>
    relayCommand([command, ...(command === 'replay' ? ['--from', '1h'] : [])], {
      ...away.commandEnvironment(),
      ...env,
    })
  withoutBackends = Promise.all([
    run('replay', { KAFKA_BROKERS: nobody }),
    run('replay', { REDIS_URL: `redis://${nobody}` }),
    run('reconcile', { KAFKA_BROKERS: nobody }),
  ]).finally(() => away.close())
})
beforeEach(async () => {
  site = await openSite()
})
afterEach(() => site.close())

const replay = (...args: string[]) => relayCommand(['replay', ...args], site.commandEnvironment())
const summaryOf = ({ rows }: FinishedCommand) => rows.find(({ step }) => step === 'summary')
const tokensAt = (path: string) => site.rps.at(path).map(({ claims }) => claims.sid)

/** Registrations in a Redis that holds what the topic says; no relay has run. */
async function prepare(registrations: readonly RegistrationInput[]): Promise<void> {
  await site.registerInRedis(...registrations)
  const [, runId] = /run_id:(\w+)/.exec(await site.redis.info('server')) ?? []
  await site.redis.hset(`${site.prefix}:epoch`, { id: 'test', run_id: String(runId) })
}

test('of 200 triggers, half of them sent, exactly the other half is delivered; once more, nothing is', async () => {
  const registrations = Array.from({ length: 200 }, (_, i) => site.registration(`/half/${i % 5}`))
  const sent = registrations.slice(0, 100)
  await prepare(registrations)
  await site.topic.publish(...sent.map((it) => site.terminated(it)))
  expect(await replay('--from', '1h')).toMatchObject({ status: 0 })
  expect(site.rps.requests.items).toHaveLength(100)
  await site.topic.publish(...registrations.slice(100).map((it) => site.terminated(it)))

  const dry = await replay('--from', '1h', '--dry-run')
  expect(dry.status).toBe(0)
  const owed = dry.rows.filter(({ step }) => step === 'owed').map(({ session }) => session)
  expect(new Set(owed)).toEqual(new Set(registrations.slice(100).map(({ sessionId }) => sessionId)))
  expect(owed).toHaveLength(100)
  expect(site.rps.requests.items).toHaveLength(100)
  expect(await site.redisKeys('ended:*')).toHaveLength(100)

  const finished = await replay('--from', '1h')
  expect(finished.status).toBe(0)
  expect(summaryOf(finished)).toMatchObject({
    read: 200,
    matching: 200,
    owed: 100,
    sent: 100,
    failed: 0,
    parked: 0,
  })
  const told = site.rps.requests.items.map(({ claims }) => claims.sid)
  expect(told).toHaveLength(200)
  expect(new Set(told).size).toBe(200)
  expect(summaryOf(await replay('--from', '1h'))).toMatchObject({ owed: 0, sent: 0 })
  expect(site.rps.requests.items).toHaveLength(200)
  await site.topic.caughtUp()
  expect(site.topic.outcomes).toHaveLength(200)
  expect(await site.redisKeys('backlog*')).toEqual([])
  expect(await site.redisKeys('session:*')).toEqual([])
})

test('a running relay is not disturbed: its commits stay, and nothing is sent twice', async () => {
  const relay = await site.startRelay()
  let answering = Promise.resolve()
  const backchannelLogoutUri = site.rps.uri('/beside', async (_request, response) => {
    await answering
    end(response, 200)
  })
  const registrations = Array.from({ length: 6 }, () =>
    site.registration('/beside', { clientId: 'beside', backchannelLogoutUri }),
  )
  await site.registerInRedis(...registrations)
  const [missed, ...rest] = registrations as [RegistrationInput, ...RegistrationInput[]]
  // The relay takes this trigger while Redis does not know the registration.
  await site.redis.del(site.sessionKey(missed.sessionId))
  await site.topic.publish(site.terminated(missed))
  await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
  await site.registerInRedis(missed)
  const committed = await site.topic.committed(site.groupId)

  const finished = await replay('--from', '1h')
  expect(summaryOf(finished)).toMatchObject({ read: 1, owed: 1, sent: 1 })
  const outcomes = [...(await site.topic.endOffsets()).values()].reduce((sum, it) => sum + it, 0)
  expect(outcomes).toBe(2)
  await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
  const moved = [...(await site.topic.committed(site.groupId))].reduce(
    (sum, [partition, offset]) => sum + offset - Math.max(committed.get(partition) ?? 0, 0),
    0,
  )
  // Only the relay moved, past the outcome of the replay.
  expect(moved).toBe(1)

  // Read by the relay and under way there, so not committed: a replay that ran them would tell the RP once more.
  const isAnswered = Promise.withResolvers<void>()
  answering = isAnswered.promise
  await site.topic.publish(...rest.map((it) => site.terminated(it)))
  await site.rps.waitFor('/beside', 6)
  const beside = await replay('--from', '1h')
  isAnswered.resolve()
  expect(beside.status).toBe(0)
  expect(summaryOf(beside)).toMatchObject({ read: 1, owed: 0, sent: 0 })
  await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
  expect(tokensAt('/beside').toSorted()).toEqual(registrations.map(({ sessionId }) => sessionId).toSorted())
  expect(await relay.stop()).toBe(0)
})

test('interrupted and started again, it goes on and sends nothing twice', async () => {
  const isReached = Promise.withResolvers<void>()
  const uri = site.rps.uri('/slow', (_request, response) => {
    if (site.rps.at('/slow').length >= 20) isReached.resolve()
    setTimeout(() => end(response, 200), 20)
  })
  const registrations = Array.from({ length: 200 }, () =>
    site.registration('/slow', { clientId: 'slow', backchannelLogoutUri: uri }),
  )
  await prepare(registrations)
  await site.topic.publish(...registrations.map((it) => site.terminated(it)))
  const first = await relayCommand(['replay', '--from', '1h'], site.commandEnvironment(), {
    interrupt: isReached.promise,
  })
  expect(first.status).toBe(130)
  const sent = Number(summaryOf(first)?.sent)
  expect(sent).toBeGreaterThan(0)
  expect(sent).toBeLessThan(200)
  expect(tokensAt('/slow')).toHaveLength(sent)

  const second = await replay('--from', '1h')
  expect(second.status).toBe(0)
  expect(summaryOf(second)).toMatchObject({ owed: 200 - sent, sent: 200 - sent })
  expect(tokensAt('/slow')).toHaveLength(200)
  expect(new Set(tokensAt('/slow')).size).toBe(200)
})

/** Of what a replay has handed on. */
const LEASE_MS = 120_000

test('killed and started again, it takes over what the dead one had begun, and sends nothing else twice', async () => {
  const isReached = Promise.withResolvers<void>()
  const uri = site.rps.uri('/killed', (_request, response) => {
    if (site.rps.at('/killed').length >= 20) isReached.resolve()
    setTimeout(() => end(response, 200), 20)
  })
  const registrations = Array.from({ length: 200 }, () =>
    site.registration('/killed', { clientId: 'killed', backchannelLogoutUri: uri }),
  )
  await prepare(registrations)
  await site.topic.publish(...registrations.map((it) => site.terminated(it)))
  const first = await relayCommand(['replay', '--from', '1h'], site.commandEnvironment(), {
    kill: isReached.promise,
  })
  expect(first.status).toBe(-1)
  const deadAtMs = Date.now()
  expect(new Set(tokensAt('/killed')).size).toBeLessThan(200)
  const state = `${site.prefix}:backlog-state:{${ISSUER}|killed}`
  let leases: string[] = []
  // As if it had died long enough ago: what it held comes free while the second one runs. Not earlier, since Redis
  // may still have been about to read what the dead one had sent last.
  const letRunOut = async () => {
    const held = Object.entries(await site.redis.hgetall(state)).filter(
      ([field, until]) => field.startsWith('lease:') && Number(until) <= deadAtMs + LEASE_MS,
    )
    leases = held.map(([field]) => field)
    for (const lease of leases) await site.redis.hset(state, lease, Date.now() + 3_000)
  }
  let ranOut: Promise<void> | undefined

  const second = await relayCommand(['replay', '--from', '1h'], site.commandEnvironment(), {
    onRow: () => {
      ranOut ??= letRunOut()
    },
  })
  await ranOut
  expect(second.status, second.stderr).toBe(0)
  expect(leases.length).toBeGreaterThan(0)
  expect(second.stderr).toContain('under way in another process')
  expect(summaryOf(second)).toMatchObject({ parked: 0, open: 0 })
  expect(new Set(tokensAt('/killed')).size).toBe(200)
  expect(tokensAt('/killed').length - 200).toBeLessThanOrEqual(leases.length)
  expect(summaryOf(await replay('--from', '1h'))).toMatchObject({ owed: 0 })
})

test('filters by session, user, client, issuer and type; what they leave out stays owed', async () => {
  const a = site.registration('/filter/a', { clientId: 'a' })
  const b = site.registration('/filter/b', { clientId: 'b', sessionId: a.sessionId, userId: a.userId })
  const c = site.registration('/filter/c', { clientId: 'c' })
  const d = site.registration('/filter/d', { clientId: 'd' })
  await prepare([a, b, c, d])
  await site.topic.publish(...[a, c, d].map((it) => site.terminated(it)))
  const told = () => site.rps.requests.items.map(({ url }) => url.at(-1)).join('')
  expect(summaryOf(await replay('--from', '1h', '--client', 'b'))).toMatchObject({
    matching: 3,
    owed: 1,
    sent: 1,
  })
  expect(told()).toBe('b')
  expect(summaryOf(await replay('--from', '1h', '--session', c.sessionId))).toMatchObject({
    matching: 1,
    sent: 1,
  })
  expect(told()).toBe('bc')
  // The triggers do not name the user, the registrations do.
  expect(summaryOf(await replay('--from', '1h', '--user', d.userId))).toMatchObject({ owed: 1, sent: 1 })
  expect(told()).toBe('bcd')
  const none = ['--from', '1h', '--type', 'user-signed-out', '--issuer', 'https://other.example']
  expect(summaryOf(await replay(...none))).toMatchObject({ read: 3, matching: 0, owed: 0 })
  expect(summaryOf(await replay('--from', '1h', '--issuer', ISSUER, '--rate', '50'))).toMatchObject({
    sent: 1,
  })
  expect(told()).toBe('bcda')
})

test('--failed delivers again what failed, under a new outcome, and leaves what was sent since', async () => {
  let status = 410
  const uri = site.rps.uri('/failed', (_request, response) => end(response, status))
  const registrations = ['one', 'two'].map((clientId) =>
    site.registration('/failed', {
      clientId,
      backchannelLogoutUri: uri,
      alg: 'ES256',
      claims: 'sid',
    }),
  )
  await prepare(registrations)
  await site.topic.publish(...registrations.map((it) => site.terminated(it)))
  const first = await replay('--from', '1h')
  expect(first.status).toBe(1)
  expect(first.stderr).toContain('failed: client one')
  expect(summaryOf(first)).toMatchObject({ owed: 2, failed: 2, sent: 0 })

  // The RP is back for one of them, after a first attempt that is retried.
  status = 503
  site.rps.uri('/failed', (_request, response) => {
    end(response, status)
    status = 200
  })
  const one = await replay('--from', '1h', '--failed', '--client', 'one')
  expect(summaryOf(one)).toMatchObject({ read: 2, matching: 1, owed: 1, sent: 1, failed: 0, parked: 0 })
  expect(one.status).toBe(0)
  const both = await replay('--from', '1h', '--failed')
  expect(summaryOf(both)).toMatchObject({ read: 2, owed: 1, sent: 1 })
  expect(summaryOf(await replay('--from', '1h', '--failed'))).toMatchObject({ read: 2, owed: 0 })
  expect(site.rps.at('/failed')).toHaveLength(5)
  const { header, claims } = site.rps.at('/failed').at(-1) as (typeof site.rps.requests.items)[number]
  expect(header).toMatchObject({ alg: 'ES256', typ: 'logout+jwt' })
  expect(claims.sub).toBeUndefined()

  await site.topic.caughtUp()
  const outcomes = site.topic.outcomes
  expect(new Set(outcomes.map(({ headers }) => headers.ce_id)).size).toBe(4)
  const failed = outcomes.find(({ data }) => data.clientId === 'one' && data.reason === 'rejected')
  const sent = outcomes.find(({ data }) => data.clientId === 'one' && data.status === 200)
  expect(sent?.data.trigger).toMatchObject({ id: failed?.headers.ce_id, offset: failed?.offset })
  expect(await site.redisKeys('session:*')).toEqual([])
  expect(await site.redisKeys('backlog*')).toEqual([])
})

test('what is parked is told, and the exit code says so; a later replay sends it', async () => {
  const down = site.registration('/down', { backchannelLogoutUri: site.rps.uri('/down', 503) })
  await prepare([down])
  await site.topic.publish(site.terminated(down))
  const first = await relayCommand(
    ['replay', '--from', '1h', '--wait', '0s'],
    site.commandEnvironment({ RETRY_BASE_DELAY_MS: '200000', RETRY_MAX_DELAY_MS: '300000' }),
  )
  expect(first.status).toBe(1)
  expect(summaryOf(first)).toMatchObject({ owed: 1, sent: 0, failed: 0, parked: 1 })
  site.rps.uri('/down', 200)
  expect(summaryOf(await replay('--from', '1h'))).toMatchObject({ owed: 1, sent: 1 })
})

test('what another process is attempting is left to it; its outcome counts', async () => {
  const leased = site.registration('/leased', { clientId: 'leased' })
  await prepare([leased])
  await site.topic.publish(site.terminated(leased))
  const lease = `lease:${leased.sessionId}\n${leased.oidcSessionId}`
  await site.redis.hset(`${site.prefix}:backlog-state:{${ISSUER}|leased}`, lease, Date.now() + 60_000)
  const { oidcSessionId, sessionId } = leased
  const outcome = { issuer: ISSUER, sessionId, oidcSessionId, clientId: 'leased', status: 200 }
  // It follows what is written after it has begun, which it says with its first parked delivery.
  const finished = await relayCommand(['replay', '--from', '1h'], site.commandEnvironment(), {
    onRow: ({ step, parked }) => {
      if (step === 'settle' && parked === 1)
        site.topic.publish(inputRecord('backchannel-logout-sent', outcome))
    },
  })
  expect(finished.status).toBe(0)
  expect(summaryOf(finished)).toMatchObject({ read: 1, owed: 1, sent: 1, parked: 0 })
  expect(site.rps.requests.items).toEqual([])
})

test('a range must be given and must exist', async () => {
  await prepare([site.registration('/range')])
  const name = site.topic.name
  const wrong = [[], ['--offsets', `${name}:99:0-`], ['--offsets', `${name}:0:900-901`], ['--form', '1h']]
  const runs = await Promise.all(wrong.map((args) => replay(...args)))
  expect(runs.map(({ status }) => status)).toEqual(wrong.map(() => 2))
  expect(runs.at(-1)?.stderr).toContain('Did you mean --from?')
})

test('offsets choose records', async () => {
  const registrations = Array.from({ length: 3 }, (_, i) => site.registration(`/offset/${i}`))
  await prepare(registrations)
  await site.topic.publish(...registrations.map((it) => site.terminated(it)))
  await site.topic.caughtUp()
  const sessionId = registrations[1]?.sessionId
  const { partition, offset } = await site.topic.waitFor(
    ({ headers, data }) => headers.ce_type === 'session-terminated' && data.sessionId === sessionId,
  )
  const finished = await replay('--offsets', `${site.topic.name}:${partition}:${offset}-${offset}`)
  expect(summaryOf(finished)).toMatchObject({ read: 1, sent: 1 })
  expect(site.rps.requests.items.map(({ claims }) => claims.sid)).toEqual([sessionId])
})

test('Kafka or Redis out of reach ends it with 3, a Redis without the registry with 1', async () => {
  const empty = await replay('--from', '1h')
  expect(empty.status).toBe(1)
  expect(empty.stderr).toContain('logout-relay reconcile')
  const [kafka, redis, reconcile] = await withoutBackends
  expect([kafka?.status, redis?.status, reconcile?.status]).toEqual([3, 3, 3])
  expect(kafka?.stderr).toContain('Kafka could not be reached')
  expect(redis?.stderr).toContain('Redis could not be reached')
})
