import { afterEach, beforeEach, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { relayCommand } from '../support/relay-command.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import type { RegistrationInput, RelaySite } from '../support/relay-site.ts'
import { ISSUER } from '../support/relay-site.ts'
import { TopicLog } from '../support/topic-log.ts'
import { openSite } from './open-site.ts'

/* Another application writes where the relay keeps something of one session, one user or one RP. */

let site: RelaySite
let relay: RelayProcess
let deadLetters: TopicLog

beforeEach(async () => {
  // One partition, so that a record that stops it stops everything behind it.
  site = await openSite({ topic: { partitions: 1 }, env: { CHECK_INTERVAL_MS: '500' } })
  relay = await site.startRelay({ BREAKER_FAILURES: '2' })
  deadLetters = await TopicLog.follow(site.kafkaBrokers, site.deadLetterTopic)
})
afterEach(async () => {
  await deadLetters?.close()
  await site.close()
})

const key = (kind: string, name: string) => `${site.prefix}:${kind}:{${ISSUER}|${name}}`
const signedOut = ({ userId }: RegistrationInput) => ({
  key: userId,
  value: JSON.stringify({ type: 'user-signed-out', issuer: ISSUER, userId }),
})

/** Twenty sessions of others are told after what was published before, nothing is left behind, and the relay is ready. */
async function allOthersAreTold(): Promise<void> {
  const others = Array.from({ length: 20 }, (_, i) => site.registration(`/fine-${i}`))
  await site.registerInRedis(...others)
  await site.topic.publish(...others.map((it) => site.terminated(it)))
  for (const it of others) {
    const { headers } = await site.topic.waitForOutcome(it.clientId, it.sessionId)
    expect(headers.ce_type).toBe('backchannel-logout-sent')
  }
  await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
  expect((await fetch(`${relay.url}/readyz`)).status).toBe(200)
}

/** Told in the log, in the metrics and on the page, by name in the first, and gone when the key is. */
async function findingTells(name: string, found: RegExp, remedy: RegExp): Promise<void> {
  const finding = await eventually(() => {
    const line = relay.log.find(
      (it) => it.msg === 'check' && it.check === 'redis-keys' && String(it.text).includes(name),
    )
    expect(line).toBeDefined()
    return line
  })
  expect(finding?.text).toMatch(found)
  expect(finding?.remedy).toMatch(remedy)
  expect(await readMetric(relay, 'check_findings', { check: 'redis-keys' })).toBeGreaterThan(0)
  await site.redis.del(name)
  await eventually(async () =>
    expect(await readMetric(relay, 'check_findings', { check: 'redis-keys' })).toBe(0),
  )
}

test('settings of one RP that are no hash are left out, and it is told as its registrations say', async () => {
  const strange = site.registration('/strange')
  await site.redis.set(key('client', strange.clientId), 'x')
  await site.registerInRedis(strange)
  await site.topic.publish(site.terminated(strange))
  await site.topic.waitForOutcome(strange.clientId, strange.sessionId)
  await allOthersAreTold()
  await findingTells(key('client', strange.clientId), /a string, not a hash/, /delete or rename/)
})

test('a user whose index is no sorted set: its sign-out becomes a dead letter, and others go on', async () => {
  const strange = site.registration('/strange')
  const index = key('user', strange.userId)
  await site.redis.hset(index, 'a', 'b')
  await site.topic.publish(site.registered(strange), signedOut(strange))
  const letter = await deadLetters.waitFor((it) => it.key === strange.userId)
  expect(letter.headers['dead-letter-reason']).toContain(`${index} in Redis holds a hash instead of a zset`)
  await allOthersAreTold()
  await eventually(async () =>
    expect(await readMetric(relay, 'check_findings', { check: 'records-refused' })).toBe(1),
  )
  await findingTells(index, /a hash, not a zset/, /delete or rename/)
})

test('a mark of a sign-out that is no text takes nothing from that sign-out', async () => {
  const strange = site.registration('/strange')
  await site.redis.rpush(key('signed-out', strange.userId), 'x')
  await site.topic.publish(site.registered(strange), signedOut(strange))
  await site.topic.waitForOutcome(strange.clientId, strange.sessionId)
  await allOthersAreTold()
  await findingTells(key('signed-out', strange.userId), /a list, not a string/, /delete or rename/)
})

test.each(['session', 'ended'])('a %s key that is a list: the record becomes a dead letter', async (kind) => {
  const strange = site.registration('/strange')
  await site.redis.rpush(key(kind, strange.sessionId), 'x')
  await site.topic.publish(site.registered(strange), site.terminated(strange))
  for (const type of ['backchannel-logout-registered', 'session-terminated']) {
    const letter = await deadLetters.waitFor((it) => it.headers.ce_type === type)
    expect(letter.headers['dead-letter-reason']).toContain(key(kind, strange.sessionId))
  }
  await allOthersAreTold()
  await findingTells(key(kind, strange.sessionId), /a list, not a/, /delete or rename/)
  const { rows, status, stderr } = await relayCommand(
    ['replay', '--dead-letters', '--from', '1h', '--json'],
    site.commandEnvironment(),
  )
  expect([status, rows], stderr).toEqual([0, [{ sent: 2, left: 0 }]])
  const { headers } = await site.topic.waitForOutcome(strange.clientId, strange.sessionId)
  expect(headers.ce_type).toBe('backchannel-logout-sent')
})

test.each(['backlog', 'backlog-state'])(
  'a %s key of one RP that is no such thing: while that RP answers it is told, when it does not its logouts end as failed',
  async (kind) => {
    const [answering, silent] = ['/answering', '/silent'].map((path) =>
      Array.from({ length: 60 }, () => site.registration(path)),
    ) as [RegistrationInput[], RegistrationInput[]]
    site.rps.uri('/silent', 503)
    const keys = ['client-answering', 'client-silent'].map((clientId) => key(kind, clientId))
    for (const it of keys) await site.redis.set(it, 'x')
    await site.registerInRedis(...answering, ...silent)
    await site.topic.publish(...[...silent, ...answering].map((it) => site.terminated(it)))
    for (const it of answering) {
      const { headers } = await site.topic.waitForOutcome(it.clientId, it.sessionId)
      expect(headers.ce_type).toBe('backchannel-logout-sent')
    }
    for (const it of silent) {
      const { data, headers } = await site.topic.waitForOutcome(it.clientId, it.sessionId)
      expect(headers.ce_type).toBe('backchannel-logout-failed')
      expect(data).toMatchObject({ reason: 'invalid', lastError: expect.stringContaining('redis-keys') })
    }
    await allOthersAreTold()
    await site.redis.del(keys[0] as string)
    await findingTells(keys[1] as string, /a string, not a/, /reconcile/)
  },
)

test("entries of a backlog that are not the relay's are put aside with a finding", async () => {
  const strange = site.registration('/strange')
  site.rps.uri('/strange', 503)
  await site.redis.zadd(key('backlog', strange.clientId), 1, 'x', 2, 'y')
  await site.registerInRedis(strange)
  await site.topic.publish(site.terminated(strange))
  await eventually(async () => expect(await site.redis.zcard(key('backlog', strange.clientId))).toBe(3))
  await allOthersAreTold()
  site.rps.uri('/strange', 200)
  await site.topic.waitForOutcome(strange.clientId, strange.sessionId)
  await findingTells(key('backlog', strange.clientId), /2 in /, /ZREMRANGEBYSCORE/)
})

test.each(['backlogs', 'epoch', 'positions'])(
  '%s with a wrong type: not ready, with a finding that names it',
  async (name) => {
    const single = `${site.prefix}:${name}`
    await site.redis.del(single)
    await site.redis.rpush(single, 'x')
    await eventually(async () => {
      const ready = await fetch(`${relay.url}/readyz`)
      expect(ready.status).toBe(503)
      expect(await ready.text()).toContain(single)
    })
    await site.redis.del(single)
    await eventually(async () => expect((await fetch(`${relay.url}/readyz`)).status).toBe(200))
    await allOthersAreTold()
  },
)

test('what is in the index of backlogs and has none leaves it, whoever its issuer is; each look paged through it', async () => {
  const index = `${site.prefix}:backlogs`
  const others = (kind: string) => `https://other.example|${kind}`
  // Another relay may sign for that issuer.
  await site.redis.zadd(`${site.prefix}:backlog:{${others('kept')}}`, 1, 'member')
  const names = Array.from({ length: 1_500 }, (_, i) => [
    `garbage-${i}`,
    others(`rp-${i}`),
    `${ISSUER}|rp-${i}`,
  ])
  await site.redis.zadd(index, ...[others('kept'), ...names.flat()].flatMap((name) => ['1', name]))
  await eventually(async () => expect(await site.redis.zrange(index, 0, '-1')).toEqual([others('kept')]))
  await allOthersAreTold()
})
