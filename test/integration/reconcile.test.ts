import { afterEach, beforeEach, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { type FinishedCommand, relayCommand } from '../support/relay-command.ts'
import type { RelaySite } from '../support/relay-site.ts'
import { openSite } from './open-site.ts'

let site: RelaySite

beforeEach(async () => {
  site = await openSite()
})
afterEach(() => site.close())

const reconcile = (...args: string[]) =>
  relayCommand(['reconcile', '--json', ...args], site.commandEnvironment())
const summaryOf = ({ rows }: FinishedCommand) => rows.find(({ step }) => step === 'summary')
const differencesOf = ({ rows }: FinishedCommand) =>
  rows
    .filter(({ step }) => step === 'difference')
    .map(({ difference, client }) => `${difference} ${client ?? '?'}`)
    .sort()

test('an emptied Redis without a relay is built from the topic; what the group had taken in and not sent is sent', async () => {
  const relay = await site.startRelay()
  const alive = site.registration('/alive', { clientId: 'alive' })
  const settled = site.registration('/settled', { clientId: 'settled' })
  const owed = site.registration('/owed', { clientId: 'owed' })
  await site.topic.publish(...[alive, settled, owed].map((it) => site.registered(it)))
  await eventually(async () => expect(await site.redisKeys('session:*')).toHaveLength(3))
  // Taken in by the relay while Redis lacks the registration, of which it cannot know.
  await site.redis.del(site.sessionKey(owed.sessionId))
  await site.topic.publish(site.terminated(settled), site.terminated(owed))
  await site.topic.waitForOutcome('settled')
  await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
  expect(await relay.stop()).toBe(0)
  await site.redis.del(await site.redisKeys())

  const dry = await reconcile('--dry-run')
  expect(dry.status).toBe(1)
  expect(differencesOf(dry)).toEqual(['missing alive', 'missing owed'])
  expect(await site.redisKeys()).toEqual([])

  const finished = await reconcile()
  expect(finished.status).toBe(1)
  expect(finished.stderr).toMatch(/no relay .*: 1 deliveries wait/)
  expect(summaryOf(finished)).toMatchObject({ owed: 1, sent: 0, failed: 0, parked: 1 })
  expect(finished.rows.map(({ step }) => step)).toEqual(
    expect.arrayContaining(['registrations', 'outcomes', 'triggers', 'done', 'settle', 'summary']),
  )
  expect(site.rps.requests.items.map(({ url }) => url)).toEqual(['/settled'])
  const after = await reconcile('--dry-run')
  expect([after.status, differencesOf(after)]).toEqual([0, []])

  // The relay takes the registry over as it is.
  const next = await site.startRelay()
  await site.topic.waitForOutcome('owed')
  expect(next.log.some(({ phase }) => phase === 'registrations')).toBe(false)
  expect(site.rps.requests.items.map(({ url }) => url)).toEqual(['/settled', '/owed'])
  const alone = [site.sessionKey(alive.sessionId)]
  await eventually(async () => expect(await site.redisKeys('session:*')).toEqual(alone))
})

test('killed and started again, it builds the registry, and a relay sends all that is owed, once', async () => {
  const relay = await site.startRelay()
  const registrations = Array.from({ length: 100 }, () => site.registration('/killed'))
  await site.topic.publish(...registrations.map((it) => site.registered(it)))
  await eventually(async () => expect(await site.redisKeys('session:*')).toHaveLength(100))
  await site.redis.del(await site.redisKeys('session:*'))
  await site.topic.publish(...registrations.map((it) => site.terminated(it)))
  await site.topic.caughtUp()
  await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
  expect(await relay.stop()).toBe(0)
  await site.redis.del(await site.redisKeys())
  const isHalfDone = Promise.withResolvers<void>()
  const first = await relayCommand(['reconcile', '--json', '--rate', '20'], site.commandEnvironment(), {
    kill: isHalfDone.promise,
    onRow: ({ parked }) => {
      if (Number(parked) >= 20) isHalfDone.resolve()
    },
  })
  expect(first.status).toBe(-1)
  // As if it had died long enough ago.
  await site.redis.pexpire(`${site.prefix}:rebuild`, 1_000)

  const second = await reconcile()
  expect(second.status, second.stderr).toBe(1)
  expect(summaryOf(second)).toMatchObject({ owed: 100, parked: 100 })
  await site.startRelay()
  await eventually(async () => expect(await site.redisKeys('session:*')).toEqual([]))
  const sids = site.rps.at('/killed').map(({ claims }) => claims.sid)
  expect(sids).toHaveLength(100)
  expect(new Set(sids).size).toBe(100)
})

test('beside a running relay it completes Redis, keeps what an identity provider wrote, and disturbs nobody', async () => {
  const relay = await site.startRelay()
  const kept = site.registration('/kept', { clientId: 'kept' })
  const lost = site.registration('/lost', { clientId: 'lost' })
  const settled = site.registration('/settled', { clientId: 'settled' })
  const own = site.registration('/own', { clientId: 'own' })
  await site.topic.publish(
    ...[kept, lost, settled].map((it) => site.registered(it)),
    site.terminated(settled),
  )
  await site.topic.waitForOutcome('settled')
  await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
  await site.registerInRedis(own, settled)
  await site.redis.del(site.sessionKey(lost.sessionId))
  const epoch = await site.redis.hget(`${site.prefix}:epoch`, 'id')

  const dry = await reconcile('--dry-run')
  expect(differencesOf(dry)).toEqual(['missing lost', 'settled settled', 'unlogged ?'])
  expect(summaryOf(dry)).toMatchObject({ registrations: 3, missing: 1, settled: 1, unlogged: 1 })

  const finished = await reconcile()
  expect(finished.status).toBe(0)
  expect(summaryOf(finished)).toMatchObject({ registered: 1, removed: 1, owed: 0, sent: 0 })
  expect(differencesOf(await reconcile('--dry-run'))).toEqual(['unlogged ?'])
  expect(await site.redis.hget(`${site.prefix}:epoch`, 'id')).toBe(epoch)
  expect(site.rps.at('/settled')).toHaveLength(1)
  await site.topic.publish(...[kept, lost, own].map((it) => site.terminated(it)))
  await Promise.all(['kept', 'lost', 'own'].map((client) => site.topic.waitForOutcome(client)))
  expect(relay.log.some(({ msg }) => msg?.startsWith('Redis has lost'))).toBe(false)
})
