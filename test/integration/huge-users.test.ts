import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import { ISSUER, type RegistrationInput, type RelaySite } from '../support/relay-site.ts'
import { TopicLog } from '../support/topic-log.ts'
import { openSite } from './open-site.ts'

/* One user or session, or what is written of one, that is thousands of times as large as others. */

/** 30 are promised; V8 gives some of what is garbage back late. */
const RESIDENT_MORE_MAX_MIB = 45

let site: RelaySite
let relay: RelayProcess

beforeEach(async () => {
  // One partition, so that what holds a record up holds up everything behind it.
  site = await openSite({ topic: { partitions: 1 } })
  relay = await site.startRelay()
})
afterEach(() => site.close())

const signedOut = (userId: string, more = {}) => ({
  key: userId,
  value: JSON.stringify({ type: 'user-signed-out', issuer: ISSUER, userId, ...more }),
})

/** Mebibytes. */
function resident(): number {
  const [, kib] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${relay.pid}/status`, 'utf8')) ?? []
  return Number(kib) / 1_024
}

/** One logout that is read after the trigger of the large one is told before that is through. */
async function isToldMeanwhile(told: () => number, all: number): Promise<void> {
  const other = site.registration('/other')
  await site.registerInRedis(other)
  await site.topic.publish(site.terminated(other))
  await site.rps.waitFor('/other')
  expect(told()).toBeLessThan(all)
}

async function everyOneIsToldOnce(path: string, all: number): Promise<void> {
  await eventually(async () => {
    expect(site.rps.at(path)).toHaveLength(all)
    expect(await site.topic.lag(site.groupId)).toBe(0)
  })
  expect(new Set(site.rps.at(path).map(({ claims }) => `${claims.aud} ${claims.sid}`)).size).toBe(all)
}

test('a user of thousands of sessions among tens of thousands that are over: all are told, others meanwhile, in little memory', async () => {
  const sessions = Array.from({ length: 2_000 }, () => site.registration('/huge', { userId: 'huge' }))
  await site.registerInRedis(...sessions)
  const index = `${site.prefix}:user:{${ISSUER}|huge}`
  for (let from = 0; from < 50_000; from += 5_000) {
    const stale = Array.from({ length: 5_000 }, (_, i) => [
      // Some have expired by their own account.
      Date.now() + ((from + i) % 2 === 0 ? 600_000 : -600_000),
      `stale-${from + i}`,
    ])
    await site.redis.zadd(index, ...stale.flat())
  }
  const before = resident()
  await site.topic.publish(signedOut('huge'))
  await site.rps.waitFor('/huge')
  await isToldMeanwhile(() => site.rps.at('/huge').length, sessions.length)
  await everyOneIsToldOnce('/huge', sessions.length)
  expect(resident() - before).toBeLessThan(RESIDENT_MORE_MAX_MIB)
  // Those that have expired have left, and those that were told.
  await eventually(async () => expect(await site.redis.zcard(index)).toBe(25_000))
})

test('a user of tens of thousands of sessions that are gone signs out again and again: others are told meanwhile', async () => {
  const SIGN_OUTS = 150
  const registered = site.registration('/huge', { userId: 'huge' })
  await site.registerInRedis(registered)
  for (let from = 0; from < 50_000; from += 5_000) {
    const gone = Array.from({ length: 5_000 }, (_, i) => [Date.now() + 600_000, `gone-${from + i}`])
    await site.redis.zadd(`${site.prefix}:user:{${ISSUER}|huge}`, ...gone.flat())
  }
  const other = site.registration('/other')
  await site.registerInRedis(other)
  await site.topic.publish(
    ...Array.from({ length: SIGN_OUTS }, () => signedOut('huge')),
    site.terminated(other),
  )
  await site.rps.waitFor('/other')
  await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
  expect(site.rps.at('/huge')).toHaveLength(1)
})

test('a session of thousands of registrations: all RPs are told, others meanwhile', async () => {
  const one = site.registration('/huge')
  const registrations = Array.from({ length: 2_500 }, (_, i) => ({
    ...one,
    oidcSessionId: `o${i}`,
    clientId: `client-${i}`,
  }))
  await site.registerInRedis(...registrations)
  await site.topic.publish(site.terminated(one))
  await site.rps.waitFor('/huge')
  await isToldMeanwhile(() => site.rps.at('/huge').length, registrations.length)
  await everyOneIsToldOnce('/huge', registrations.length)
})

test('a relay that dies in the middle: its successor ends what is left', async () => {
  const sessions = Array.from({ length: 1_500 }, () => site.registration('/huge', { userId: 'huge' }))
  await site.registerInRedis(...sessions)
  await site.topic.publish(signedOut('huge'))
  await site.rps.waitFor('/huge', 200)
  await relay.kill()
  expect(site.rps.at('/huge').length).toBeLessThan(sessions.length)
  relay = await site.startRelay()
  await eventually(async () => {
    const told = new Set(site.rps.at('/huge').map(({ claims }) => claims.sid))
    expect(told.size).toBe(sessions.length)
    expect(await site.topic.lag(site.groupId)).toBe(0)
  })
})

test('a trigger of one user that names the session of another ends nothing, and is told', async () => {
  const [mine, others] = [site.registration('/mine'), site.registration('/others')] as [
    RegistrationInput,
    RegistrationInput,
  ]
  await site.registerInRedis(mine, others)
  const deadLetters = await TopicLog.follow(site.kafkaBrokers, site.deadLetterTopic)
  const { sessionId } = others
  await site.topic.publish(
    signedOut(mine.userId, { sessionId }),
    {
      key: sessionId,
      value: JSON.stringify({ type: 'session-terminated', issuer: ISSUER, sessionId, userId: mine.userId }),
    },
    signedOut(mine.userId, { sessionId: mine.sessionId }),
  )
  for (const key of [mine.userId, sessionId]) {
    const { headers } = await deadLetters.waitFor((it) => it.key === key)
    expect(headers['dead-letter-reason']).toMatch(/^userId: .* another user/)
  }
  await deadLetters.close()
  await site.topic.waitForOutcome(mine.clientId, mine.sessionId)
  expect(site.rps.at('/others')).toEqual([])
  await relay.waitForLog((line) => line.check === 'records-refused')
  // Its own trigger does.
  await site.topic.publish(signedOut(others.userId, { sessionId }))
  await site.topic.waitForOutcome(others.clientId, sessionId)
})

/** Written within Redis. */
const HUGE_BYTES = 120_000_000
/** Mebibytes. */
const highest = () =>
  Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${relay.pid}/status`, 'utf8'))?.[1]) / 1_024

const keyOf = (kind: string, name: string) => `${site.prefix}:${kind}:{${ISSUER}|${name}}`

const finding = async (_: RegistrationInput, name: string) => {
  await relay.waitForLog((it) => it.check === 'redis-keys' && String(it.text).includes(name))
}
const isLogged = (msg: string, word: string) => async () => {
  await relay.waitForLog((it) => it.msg === msg && JSON.stringify(it).includes(word))
}

test.each([
  [
    'registration',
    (it: RegistrationInput) => keyOf('session', it.sessionId),
    "'HSET', KEYS[1], 'huge', huge",
    isLogged('delivery failed', '120,000,000 bytes'),
  ],
  ['tombstone', (it: RegistrationInput) => keyOf('ended', it.sessionId), "'SET', KEYS[1], huge", finding],
  [
    'entry of a user',
    (it: RegistrationInput) => keyOf('user', it.userId),
    "'ZADD', KEYS[1], 4e12, huge",
    finding,
  ],
  [
    'setting of an RP',
    (it: RegistrationInput) => keyOf('client', it.clientId),
    "'HSET', KEYS[1], 'typ', huge",
    isLogged('RP setting ignored', '120,000,000 bytes'),
  ],
] as const)(
  'a %s of more than a hundred megabytes stays in Redis, concerns nobody else, and is told',
  async (kind, key, write, told) => {
    const strange = site.registration('/strange')
    const fine = Array.from({ length: 20 }, (_, i) => site.registration(`/fine-${i}`))
    await site.topic.publish(site.registered(strange))
    await site.registerInRedis(...fine)
    await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
    const name = key(strange)
    const before = resident()
    await site.redis.eval(`local huge = string.rep('x', ${HUGE_BYTES}) return redis.call(${write})`, 1, name)
    await site.topic.publish(
      kind === 'tombstone' || kind === 'registration' ? site.terminated(strange) : signedOut(strange.userId),
      ...fine.map((it) => site.terminated(it)),
    )
    for (const it of fine) await site.topic.waitForOutcome(it.clientId, it.sessionId)
    await told(strange, name)
    if (kind !== 'tombstone') await site.topic.waitForOutcome(strange.clientId, strange.sessionId)
    await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
    expect(highest() - before).toBeLessThan(RESIDENT_MORE_MAX_MIB)
  },
)
