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
  // What a relay may have in hand is looked at again when an attempt must have ended.
  site = await openSite({ env: { ATTEMPT_TIMEOUT_MS: '2000', RETRY_LEASE_MS: '5000' } })
})
afterEach(() => site.close())

const replay = (...args: string[]) => relayCommand(['replay', '--json', ...args], site.commandEnvironment())
const summaryOf = ({ rows }: FinishedCommand) => rows.find(({ step }) => step === 'summary')
const tokensAt = (path: string) => site.rps.at(path).map(({ claims }) => claims.sid)

/** Triggers that a relay has taken in while Redis did not know their registrations, which it knows now. */
async function miss(registrations: readonly RegistrationInput[]): Promise<void> {
  await site.topic.publish(...registrations.map((it) => site.terminated(it)))
  await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
  await site.registerInRedis(...registrations)
}

/** Registrations at an RP that takes 20 ms, and what resolves when it has heard of so many. */
function slowRp(path: string, count: number, isReachedAt: number) {
  const isReached = Promise.withResolvers<void>()
  const backchannelLogoutUri = site.rps.uri(path, (_request, response) => {
    if (site.rps.at(path).length >= isReachedAt) isReached.resolve()
    setTimeout(() => end(response, 200), 20)
  })
  const registrations = Array.from({ length: count }, () =>
    site.registration(path, { clientId: 'slow', backchannelLogoutUri }),
  )
  return { isReached: isReached.promise, registrations }
}

test('of 200 triggers, half of them sent, exactly the other half is delivered; once more, nothing is', async () => {
  await site.startRelay()
  const registrations = Array.from({ length: 200 }, (_, i) => site.registration(`/half/${i % 5}`))
  const [sent, owed] = [registrations.slice(0, 100), registrations.slice(100)]
  await site.registerInRedis(...sent)
  await site.topic.publish(...sent.map((it) => site.terminated(it)))
  await miss(owed)
  await eventually(() => expect(site.rps.requests.items).toHaveLength(100))
  await eventually(async () => expect(await site.redisKeys('session:*')).toHaveLength(100))

  const dry = await replay('--from', '1h', '--dry-run')
  expect(dry.status).toBe(0)
  const listed = dry.rows.filter(({ step }) => step === 'owed').map(({ session }) => session)
  expect(listed.toSorted()).toEqual(owed.map(({ sessionId }) => sessionId).toSorted())
  expect(site.rps.requests.items).toHaveLength(100)
  expect(await site.redisKeys('backlog*')).toEqual([])

  const finished = await replay('--from', '1h')
  expect(finished.status, finished.stderr).toBe(0)
  const counts = { read: 200, matching: 200, owed: 100, sent: 100, failed: 0, parked: 0, open: 0 }
  expect(summaryOf(finished)).toMatchObject(counts)
  expect(summaryOf(await replay('--from', '1h'))).toMatchObject({ owed: 0, sent: 0 })
  const told = site.rps.requests.items.map(({ claims }) => claims.sid)
  expect(told).toHaveLength(200)
  expect(new Set(told).size).toBe(200)
  await site.topic.caughtUp()
  expect(new Set(site.topic.outcomes.map(({ headers }) => headers.ce_id)).size).toBe(200)
  await eventually(async () => expect(await site.redisKeys('backlog*')).toEqual([]))
  expect(await site.redisKeys('session:*')).toEqual([])
})

test('without a relay it says so and sends nothing; one that starts sends it, once, whatever it reads itself', async () => {
  expect(await (await site.startRelay()).stop()).toBe(0)
  const registrations = Array.from({ length: 6 }, () => site.registration('/waits'))
  await site.registerInRedis(...registrations)
  await site.redis.hset(site.sessionKey(registrations[0]?.sessionId ?? ''), 'broken', 'no JSON')
  await site.topic.publish(...registrations.map((it) => site.terminated(it)))
  // It signs nothing.
  const { SIGNING_KEYS_FILE: _, ...env } = site.commandEnvironment()
  const first = await relayCommand(['replay', '--json', '--from', '1h'], env)
  expect(first.status, first.stderr).toBe(1)
  expect(summaryOf(first)).toMatchObject({ read: 6, owed: 7, sent: 0, failed: 0, parked: 7, open: 0 })
  expect(first.stderr).toMatch(/no relay .*: 7 deliveries wait/)
  expect(site.rps.requests.items).toEqual([])

  const waiting = relayCommand(['replay', '--json', '--from', '1h', '--wait', '10m'], env)
  await site.startRelay()
  await waiting
  await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
  await eventually(async () => expect(await site.redisKeys('backlog*')).toEqual([]))
  expect(tokensAt('/waits').toSorted()).toEqual(registrations.map(({ sessionId }) => sessionId).toSorted())
  await site.topic.caughtUp()
  const outcomes = site.topic.outcomes.map(({ data }) => data.reason ?? 'sent').toSorted()
  expect(outcomes).toEqual(['invalid', ...registrations.map(() => 'sent')])
})

test('a running relay is not disturbed: its commits stay, and nothing is sent twice', async () => {
  // So long that what is under way stays that, however long the command takes to start.
  const relay = await site.startRelay({ ATTEMPT_TIMEOUT_MS: '60000', RETRY_LEASE_MS: '90000' })
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

test('interrupted, it selects no more, and relays send what is parked; started again it goes on', async () => {
  await site.startRelay()
  const { isReached, registrations } = slowRp('/slow', 60, 10)
  await miss(registrations)
  const first = await relayCommand(
    ['replay', '--json', '--from', '1h', '--rate', '10'],
    site.commandEnvironment(),
    {
      interrupt: isReached,
    },
  )
  expect(first.status).toBe(130)
  expect(first.stderr).toContain('interrupted')
  const { owed = 0, open } = summaryOf(first) as { owed: number; open: number }
  expect(owed).toBeGreaterThanOrEqual(10)
  expect(owed).toBeLessThan(60)
  await eventually(() => expect(tokensAt('/slow')).toHaveLength(owed - open))

  const second = await replay('--from', '1h')
  expect(second.status, second.stderr).toBe(0)
  expect(tokensAt('/slow')).toHaveLength(60)
  expect(new Set(tokensAt('/slow')).size).toBe(60)
})

test('killed in the middle, and then run twice at once beside live traffic: nothing is sent twice', async () => {
  await site.startRelay()
  const { isReached, registrations } = slowRp('/killed', 120, 20)
  await miss(registrations)
  const live = Array.from({ length: 20 }, () => site.registration('/live'))
  await site.topic.publish(...live.map((it) => site.registered(it)))
  const first = await relayCommand(
    ['replay', '--json', '--from', '1h', '--rate', '30'],
    site.commandEnvironment(),
    {
      kill: isReached,
    },
  )
  expect(first.status).toBe(-1)
  const runs = [replay('--from', '1h'), replay('--from', '1h')]
  await site.topic.publish(...live.map((it) => site.terminated(it)))
  for (const run of await Promise.all(runs)) expect(run.status, run.stderr).toBe(0)
  await site.rps.waitFor('/live', 20)
  expect(tokensAt('/killed')).toHaveLength(120)
  expect(new Set(tokensAt('/killed')).size).toBe(120)
  expect(summaryOf(await replay('--from', '1h'))).toMatchObject({ owed: 0 })
  expect(new Set(tokensAt('/live')).size).toBe(20)
  expect(tokensAt('/live')).toHaveLength(20)
})

test('the relay killed in the middle: the next one goes on, and the command follows it', async () => {
  const relay = await site.startRelay()
  const { isReached, registrations } = slowRp('/relay', 100, 20)
  await miss(registrations)
  const running = replay('--from', '1h')
  await isReached
  await relay.kill()
  const before = tokensAt('/relay').length
  expect(before).toBeLessThan(100)
  await site.startRelay()
  const finished = await running
  expect(finished.status, finished.stderr).toBe(0)
  expect(summaryOf(finished)).toMatchObject({ owed: 100, sent: 100, parked: 0, open: 0 })
  expect(new Set(tokensAt('/relay')).size).toBe(100)
  // What the dead one had sent without an outcome on the topic.
  expect(tokensAt('/relay').length - 100).toBeLessThanOrEqual(before)
})

test('filters by session, user, client, issuer and type; what they leave out stays owed', async () => {
  await site.startRelay()
  const a = site.registration('/filter/a', { clientId: 'a' })
  const b = site.registration('/filter/b', { clientId: 'b', sessionId: a.sessionId, userId: a.userId })
  const c = site.registration('/filter/c', { clientId: 'c' })
  const d = site.registration('/filter/d', { clientId: 'd' })
  await site.topic.publish(site.terminated(a))
  await miss([c, d])
  await site.registerInRedis(a, b)
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
  await site.startRelay()
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
  await site.registerInRedis(...registrations)
  await site.topic.publish(...registrations.map((it) => site.terminated(it)))
  for (const { clientId } of registrations) await site.topic.waitForOutcome(clientId)
  await eventually(async () => expect(await site.redisKeys('session:*')).toEqual([]))
  const again = await replay('--from', '1h', '--failed')
  expect(again.status).toBe(1)
  expect(again.stderr).toContain('failed: client one')
  expect(summaryOf(again)).toMatchObject({ owed: 2, failed: 2, sent: 0 })

  // The RP is back for one of them, after a first attempt that is retried.
  status = 503
  site.rps.uri('/failed', (_request, response) => {
    end(response, status)
    status = 200
  })
  const otherwise = await replay('--from', '1h', '--failed', '--reason', 'expired')
  expect(summaryOf(otherwise)).toMatchObject({ read: 4, matching: 0, owed: 0 })
  const one = await replay('--from', '1h', '--failed', '--client', 'one', '--reason', 'rejected')
  expect(summaryOf(one)).toMatchObject({ read: 4, matching: 2, owed: 1, sent: 1, failed: 0, parked: 0 })
  expect(one.status).toBe(0)
  const both = await replay('--from', '1h', '--failed')
  expect(summaryOf(both)).toMatchObject({ read: 4, owed: 1, sent: 1 })
  expect(summaryOf(await replay('--from', '1h', '--failed'))).toMatchObject({ read: 4, owed: 0 })
  expect(site.rps.at('/failed')).toHaveLength(7)
  const { header, claims } = site.rps.at('/failed').at(-1) as (typeof site.rps.requests.items)[number]
  expect(header).toMatchObject({ alg: 'ES256', typ: 'logout+jwt' })
  expect(claims.sub).toBeUndefined()

  await site.topic.caughtUp()
  const outcomes = site.topic.outcomes
  expect(new Set(outcomes.map(({ headers }) => headers.ce_id)).size).toBe(6)
  const failed = outcomes.findLast(({ data }) => data.clientId === 'one' && data.reason === 'rejected')
  const sent = outcomes.find(({ data }) => data.clientId === 'one' && data.status === 200)
  expect(sent?.data.trigger).toMatchObject({ id: failed?.headers.ce_id, offset: failed?.offset })
  await eventually(async () => expect(await site.redisKeys('backlog*')).toEqual([]))
  expect(await site.redisKeys('session:*')).toEqual([])
})

test('--failed, run several times while the RP is away: it is told once, and a later login is left alone', async () => {
  // Nobody remembers what became of the session.
  const env = { TOMBSTONE_MS: '1000', BREAKER_FAILURES: '1000' }
  await site.startRelay(env)
  site.rps.uri('/away', 410)
  const [one, two] = ['one', 'two'].map((clientId) => site.registration('/away', { clientId }))
  if (one === undefined || two === undefined) throw new Error('there are two')
  await site.registerInRedis(one, two)
  await site.topic.publish(site.terminated(one), site.terminated(two))
  for (const clientId of ['one', 'two']) await site.topic.waitForOutcome(clientId)
  await eventually(async () => expect(await site.redisKeys('ended:*')).toEqual([]))
  await site.registerInRedis({ ...two, registeredAt: Date.now() + 1_000 })

  site.rps.uri('/away', 503)
  const run = () =>
    relayCommand(
      ['replay', '--json', '--from', '1h', '--failed', '--wait', '0s'],
      site.commandEnvironment(env),
    )
  await Promise.all([run(), run()])
  await run()
  expect(await site.redis.zcard(`${site.prefix}:backlog:{${ISSUER}|one}`)).toBe(1)
  site.rps.uri('/away', 200)
  const isOver = async () => expect(await site.redisKeys('backlog*')).toEqual([])
  await eventually(isOver)
  await site.topic.caughtUp()
  const outcomesOf = (clientId: string) =>
    site.topic.outcomes
      .filter(({ data }) => data.clientId === clientId)
      .map(({ data }) => data.reason ?? 'sent')
  expect(outcomesOf('one')).toEqual(['rejected', 'sent'])
  expect(new Set(outcomesOf('two'))).toEqual(new Set(['rejected', 'expired']))
  expect(await site.redis.hkeys(site.sessionKey(two.sessionId))).toEqual([two.oidcSessionId])
})

test('what is parked is told, and the exit code says so; a later replay makes it due', async () => {
  await site.startRelay({ RETRY_BASE_DELAY_MS: '200000', RETRY_MAX_DELAY_MS: '300000' })
  const down = site.registration('/down', { backchannelLogoutUri: site.rps.uri('/down', 503) })
  await miss([down])
  const first = await replay('--from', '1h', '--wait', '0s')
  expect(first.status).toBe(1)
  expect(summaryOf(first)).toMatchObject({ owed: 1, sent: 0, failed: 0, parked: 1 })
  await site.rps.waitFor('/down', 1)
  const hasTried = async () => {
    const state = await site.redis.hgetall(`${site.prefix}:backlog-state:{${ISSUER}|${down.clientId}}`)
    expect(Object.values(state).join()).toContain('503')
  }
  await eventually(hasTried)
  site.rps.uri('/down', 200)
  expect(summaryOf(await replay('--from', '1h'))).toMatchObject({ owed: 1, sent: 1 })
  expect(await site.redisKeys('backlog:*')).toEqual([])
})

test('what a relay has under a lease is left to it; its outcome counts', async () => {
  await site.startRelay()
  const leased = site.registration('/leased', { clientId: 'leased' })
  await miss([leased])
  const lease = `lease:${leased.sessionId}\n${leased.oidcSessionId}`
  await site.redis.hset(`${site.prefix}:backlog-state:{${ISSUER}|leased}`, lease, Date.now() + 600_000)
  const { oidcSessionId, sessionId } = leased
  const outcome = { issuer: ISSUER, sessionId, oidcSessionId, clientId: 'leased', status: 200 }
  // It follows what is written after it has begun, which it says with its first parked delivery.
  const finished = await relayCommand(['replay', '--json', '--from', '1h'], site.commandEnvironment(), {
    onRow: ({ step, parked }) => {
      if (step === 'settle' && parked === 1)
        site.topic.publish(inputRecord('backchannel-logout-sent', outcome))
    },
  })
  expect(finished.status, finished.stderr).toBe(0)
  expect(summaryOf(finished)).toMatchObject({ read: 1, owed: 1, sent: 1, parked: 0 })
  expect(site.rps.requests.items).toEqual([])
})

test('an RP whose backlog is something else: it is named, nothing is lost, and the next run sends it', async () => {
  await site.startRelay()
  const foreign = site.registration('/foreign', { clientId: 'foreign' })
  const sound = site.registration('/sound', { clientId: 'sound' })
  await miss([foreign, sound])
  const key = `${site.prefix}:backlog:{${ISSUER}|foreign}`
  await site.redis.set(key, 'somebody else')
  const first = await replay('--from', '1h')
  expect(first.status).toBe(1)
  expect(first.stderr).toContain('client foreign')
  expect(summaryOf(first)).toMatchObject({ owed: 2, sent: 1, parked: 0, open: 1 })
  await site.redis.del(key)
  expect(summaryOf(await replay('--from', '1h'))).toMatchObject({ owed: 1, sent: 1 })
  expect(site.rps.requests.items.map(({ url }) => url)).toEqual(['/sound', '/foreign'])
})

test('a range must be given and must exist', async () => {
  await (await site.startRelay()).stop()
  const name = site.topic.name
  const wrong = [[], ['--offsets', `${name}:99:0-`], ['--offsets', `${name}:0:900-901`], ['--form', '1h']]
  const runs = await Promise.all(wrong.map((args) => replay(...args)))
  expect(runs.map(({ status }) => status)).toEqual(wrong.map(() => 2))
  expect(runs.at(-1)?.stderr).toContain('Did you mean --from?')
})

test('offsets choose records', async () => {
  const registrations = Array.from({ length: 3 }, (_, i) => site.registration(`/offset/${i}`))
  await site.startRelay()
  await miss(registrations)
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
