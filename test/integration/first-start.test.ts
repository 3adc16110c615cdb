import type { Message } from 'kafkajs'
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from 'vitest'
import { type KafkaCluster, startKafkaCluster } from '../stack/kafka-cluster.ts'
import { eventually } from '../support/eventually.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import { type RegistrationInput, RelaySite } from '../support/relay-site.ts'
import { TopicLog } from '../support/topic-log.ts'

let kafka: KafkaCluster
let site: RelaySite

beforeAll(async () => {
  // Kafka waits for further members of a new group, by default for longer; the other tests have it wait for none.
  kafka = await startKafkaCluster({ properties: { 'group.initial.rebalance.delay.ms': '1000' } })
})
afterAll(() => kafka.stop())
beforeEach(async () => {
  site = await RelaySite.open({
    kafkaBrokers: kafka.brokers,
    redisUrl: inject('redisUrl'),
    topic: { partitions: 3 },
  })
})
afterEach(() => site.close())

const allApplied = () => eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
const told = (path: string) => site.rps.at(path).map(({ claims }) => claims.sid)
const sids = (registrations: readonly RegistrationInput[]) =>
  registrations.map(({ sessionId }) => sessionId).sort()

/** Logs users in until the relay is ready, and a moment longer. */
async function logInWhile(starting: Promise<RelayProcess>, path: string): Promise<RegistrationInput[]> {
  const made: RegistrationInput[] = []
  let isReady = false
  const ready = starting.then(() => {
    isReady = true
  })
  while (!isReady) {
    const login = site.registration(path)
    made.push(login)
    await site.topic.publish(site.registered(login))
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  await ready
  return made
}

test('users who log in while a relay starts for the first time ever are logged out everywhere later', async () => {
  await site.topic.publish(site.registered(site.registration('/before')))
  const made = await logInWhile(site.startRelay(), '/logins')
  await site.topic.publish(...made.map((it) => site.terminated(it)))
  await eventually(() => expect(told('/logins').sort()).toEqual(sids(made)))
})

test('two replicas that start together for the first time send no old logout', async () => {
  const old = Array.from({ length: 60 }, () => site.registration('/old'))
  const alive = Array.from({ length: 20 }, () => site.registration('/alive'))
  await site.topic.publish(...[...old, ...alive].map((it) => site.registered(it)))
  await site.topic.publish(...old.map((it) => site.terminated(it)))
  await Promise.all([site.startRelay(), site.startRelay()])
  await site.topic.publish(...alive.map((it) => site.terminated(it)))
  await eventually(() => expect(told('/alive').sort()).toEqual(sids(alive)))
  await allApplied()
  expect(told('/old')).toEqual([])
  // They are over, without an outcome.
  expect(await site.redisKeys('session:*')).toEqual([])
  expect(site.topic.outcomes.filter(({ data }) => sids(old).includes(String(data.sessionId)))).toEqual([])
})

test('a first start that is killed while it reads: what begins and ends before the next one is told', async () => {
  const before = Array.from({ length: 20_000 }, () => site.registration('/before'))
  for (let i = 0; i < before.length; i += 1_000)
    await site.topic.publish(...before.slice(i, i + 1_000).map((it) => site.registered(it)))
  const relay = await site.launchRelay()
  await eventually(async () => expect(await site.redisKeys('session:*')).not.toHaveLength(0))
  const alive = Array.from({ length: 20 }, () => site.registration('/alive'))
  await site.topic.publish(...alive.map((it) => site.registered(it)))
  await site.topic.publish(...alive.map((it) => site.terminated(it)))
  // Whoever comes next need not wait for it for long.
  const [lock] = await site.redisKeys('rebuild*')
  expect(await site.redis.pttl(String(lock))).toBeLessThanOrEqual(5_000)
  await relay.kill()
  expect(await site.redis.hget(`${site.prefix}:epoch`, 'id')).toBeNull()
  await site.startRelay()
  await eventually(() => expect(told('/alive').sort()).toEqual(sids(alive)))
  expect(told('/before')).toEqual([])
})

test('the group has lost its offsets and Redis has not: what ended meanwhile is told', async () => {
  const relay = await site.startRelay()
  const alive = Array.from({ length: 20 }, () => site.registration('/expired'))
  await site.topic.publish(...alive.map((it) => site.registered(it)))
  await allApplied()
  await eventually(async () =>
    expect(Object.keys(await site.redis.hgetall(`${site.prefix}:positions`))).toHaveLength(3),
  )
  expect(await relay.stop()).toBe(0)
  await site.topic.publish(...alive.map((it) => site.terminated(it)))
  await site.topic.deleteGroup(site.groupId)
  await site.startRelay()
  await eventually(() => expect(told('/expired').sort()).toEqual(sids(alive)))
})

test('a topic that a known group has never read: its registrations are read up to a noted end, then everything', async () => {
  const relay = await site.startRelay()
  const known = site.registration('/known')
  await site.topic.publish(site.registered(known))
  await allApplied()
  expect(await relay.stop()).toBe(0)
  const added = await TopicLog.create(kafka.brokers, `${site.topic.name}.added`, { partitions: 2 })
  try {
    const over = site.registration('/over')
    const alive = Array.from({ length: 10 }, () => site.registration('/added'))
    await added.publish(...[over, ...alive].map((it) => site.registered(it)), site.terminated(over))
    await site.startRelay({ KAFKA_TOPICS: `${site.topic.name},${added.name}` })
    await added.publish(...[known, ...alive].map((it) => site.terminated(it)))
    await eventually(() => expect(told('/added').sort()).toEqual(sids(alive)))
    await eventually(() => expect(told('/known')).toEqual([known.sessionId]))
    await eventually(async () => expect(await site.redisKeys('session:*')).toEqual([]))
    expect(told('/over')).toEqual([])
  } finally {
    await added.close()
  }
})

test('a topic that the leader of the group does not know, Redis lost before anybody reads it: what ended meanwhile is told', async () => {
  const old = await site.startRelay()
  const added = await TopicLog.create(kafka.brokers, `${site.topic.name}.rolled`, { partitions: 2 })
  try {
    const over = site.registration('/over')
    const alive = Array.from({ length: 10 }, () => site.registration('/rolled'))
    await added.publish(...[over, ...alive].map((it) => site.registered(it)), site.terminated(over))
    await site.startRelay({ KAFKA_TOPICS: `${site.topic.name},${added.name}` })
    await added.publish(...alive.map((it) => site.terminated(it)))
    await site.redis.del(await site.redisKeys())
    expect(await old.stop()).toBe(0)
    await eventually(() => expect(told('/rolled').sort()).toEqual(sids(alive)))
    expect(told('/over')).toEqual([])
  } finally {
    await added.close()
  }
})

test('Redis is lost, only relays that do not know an added topic are left to build it, and the one that does starts later', async () => {
  const added = await TopicLog.create(kafka.brokers, `${site.topic.name}.rolling`, { partitions: 2 })
  const env = { KAFKA_TOPICS: `${site.topic.name},${added.name}` }
  try {
    const alive = Array.from({ length: 20 }, () => site.registration('/rolling'))
    const relay = await site.startRelay(env)
    await added.publish(...alive.map((it) => site.registered(it)))
    await eventually(async () => expect(await added.lag(site.groupId)).toBe(0))
    const old = await site.startRelay()
    await relay.kill()
    await site.redis.del(await site.redisKeys())
    await eventually(async () => expect(await site.redisKeys('epoch')).toHaveLength(1))
    await site.startRelay(env)
    await added.publish(...alive.map((it) => site.terminated(it)))
    expect(await old.stop()).toBe(0)
    await eventually(() => expect(told('/rolling').sort()).toEqual(sids(alive)))
  } finally {
    await added.close()
  }
})

test('Redis is lost, and the topic holds triggers from before the first start: they are neither sent nor failed', async () => {
  const old = Array.from({ length: 10 }, () => site.registration('/old'))
  const alive = Array.from({ length: 10 }, () => site.registration('/later'))
  await site.topic.publish(...[...old, ...alive].map((it) => site.registered(it)))
  await site.topic.publish(...old.map((it) => site.terminated(it)))
  const relay = await site.startRelay()
  await allApplied()
  expect(await relay.stop()).toBe(0)
  const keys = await site.redisKeys()
  await site.redis.del(keys)
  await site.startRelay()
  await site.topic.publish(...alive.map((it) => site.terminated(it)))
  await eventually(() => expect(told('/later').sort()).toEqual(sids(alive)))
  await allApplied()
  expect(told('/old')).toEqual([])
  expect(await site.redisKeys('session:*')).toEqual([])
  expect(site.topic.outcomes).toHaveLength(alive.length)
})

/**
 * Sessions that have ended before anybody reads the topic, and others that go on: behind an open transaction in two
 * partitions. The end of one session stands in the third, where nothing hides it.
 */
async function behindOpen() {
  const logIn = (path: string) => [1, 2].map((partition) => ({ partition, it: site.registration(path) }))
  const [known, old, alive] = [logIn('/old'), logIn('/old'), logIn('/alive')]
  const seen = { partition: 0, it: site.registration('/old') }
  const registered = (logins: typeof old) =>
    logins.map(({ partition, it }): Message => ({ ...site.registered(it), partition }))
  const terminated = (logins: typeof old) =>
    logins.map(({ partition, it }): Message => ({ ...site.terminated(it), partition }))
  await site.topic.publish(...registered(known))
  const end = await site.topic.leaveOpen({ partition: 1, value: '{}' }, { partition: 2, value: '{}' })
  await site.topic.publish(
    ...registered([...old, ...alive, { ...seen, partition: 1 }]),
    ...terminated([...old, ...known, seen]),
  )
  return { end, alive: alive.map(({ it }) => it) }
}

const starts: [string, 'commit' | 'abort', () => Promise<unknown>][] = [
  ['one relay', 'commit', () => site.startRelay()],
  ['two replicas', 'abort', () => Promise.all([site.startRelay(), site.startRelay()])],
  [
    'a restart in between',
    'commit',
    async () => {
      expect(await (await site.startRelay()).stop()).toBe(0)
      await site.startRelay()
    },
  ],
  [
    'a loss of Redis in between',
    'abort',
    async () => {
      await site.startRelay()
      await site.redis.del(await site.redisKeys())
    },
  ],
]

test.each(starts)(
  'what stands behind an open transaction at the first start brings no old logout: %s, %s',
  async (_, how, start) => {
    const { end, alive } = await behindOpen()
    await start()
    await end(how)
    await allApplied()
    await site.topic.publish(...alive.map((it) => site.terminated(it)))
    await eventually(() => expect(told('/alive').sort()).toEqual(sids(alive)))
    await allApplied()
    expect(told('/old')).toEqual([])
    await eventually(async () => expect(await site.redisKeys('session:*')).toEqual([]))
    expect(site.topic.outcomes).toHaveLength(alive.length)
    // Nor does it later, when the log is all that is left.
    await site.redis.del(await site.redisKeys())
    await eventually(async () => expect(await site.redisKeys('epoch')).toHaveLength(1))
    expect(told('/old')).toEqual([])
  },
)
