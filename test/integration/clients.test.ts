import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { delay } from '../../src/lib/deferred.ts'
import { eventually } from '../support/eventually.ts'
import { inputRecord } from '../support/input-record.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import { ISSUER, type RegistrationInput, type RelaySite } from '../support/relay-site.ts'
import { openSite } from './open-site.ts'

let site: RelaySite
let relay: RelayProcess

/** So short that a pause outlasts it. */
const SHORT = { RETRY_DEADLINE_MS: '2000' }

beforeAll(async () => {
  site = await openSite({ env: SHORT })
  relay = await site.startRelay()
})
afterAll(() => site.close())

const configure = (clientId: string, data: object) =>
  site.topic.publish(inputRecord('client-configured', { issuer: ISSUER, clientId, ...data }))

const stateOf = async (clientId: string) =>
  (await site.redis.hget(`${site.prefix}:client-states`, `${ISSUER}|${clientId}`))?.split(' ').at(-1)

/** The relay has read it, as every other would. */
async function change(clientId: string, state: string): Promise<void> {
  await configure(clientId, { state })
  await eventually(async () => expect(await stateOf(clientId)).toBe(state))
}

/** A login that the relay has read. */
async function login(path: string, more: Partial<RegistrationInput> = {}): Promise<RegistrationInput> {
  const registration = site.registration(path, more)
  await site.topic.publish(site.registered(registration))
  await eventually(async () =>
    expect(await site.redis.exists(site.sessionKey(registration.sessionId))).toBe(1),
  )
  return registration
}

async function loseRedis(): Promise<void> {
  await site.redis.del(await site.redisKeys())
  await eventually(async () => expect(await site.redisKeys('epoch')).toHaveLength(1))
}

const backlogSize = (clientId: string) => site.redis.zcard(`${site.prefix}:backlog:{${ISSUER}|${clientId}}`)

describe('a client', () => {
  test('is configured by records, also where its registration names no address, and when Redis was lost', async () => {
    const path = `/${randomUUID()}`
    const { backchannelLogoutUri, ...first } = site.registration(path)
    const { clientId } = first
    await site.topic.publish(
      inputRecord('backchannel-logout-registered', first),
      inputRecord('client-configured', { issuer: ISSUER, clientId, backchannelLogoutUri, alg: 'ES256' }),
    )
    await eventually(async () =>
      expect(await site.redis.hget(`${site.prefix}:client:{${ISSUER}|${clientId}}`, 'alg')).toBe('ES256'),
    )
    await site.topic.publish(site.terminated(first))
    await site.rps.waitFor(path)

    await loseRedis()
    const { backchannelLogoutUri: _, ...second } = site.registration(path)
    await site.topic.publish(inputRecord('backchannel-logout-registered', second), site.terminated(second))
    const { token } = await site.rps.waitFor(path, 2)
    const [header = ''] = String(token).split('.')
    expect(JSON.parse(Buffer.from(header, 'base64url').toString())).toMatchObject({ alg: 'ES256' })
  })

  test('that is paused gets nothing, past its deadline and the loss of Redis, and then all of it', async () => {
    const path = `/${randomUUID()}`
    const before = await login(path)
    const { clientId } = before
    await change(clientId, 'paused')
    const during = await login(path)
    await site.topic.publish(site.terminated(before), site.terminated(during))
    await eventually(async () => expect(await backlogSize(clientId)).toBe(2))
    const parkedAtMs = Date.now()
    await loseRedis()
    await eventually(async () => expect(await backlogSize(clientId)).toBe(2))
    // Twice the deadline.
    while (Date.now() < parkedAtMs + 4_000) await delay(100)
    expect(site.rps.at(path)).toEqual([])
    expect(site.topic.outcomes.filter(({ data }) => data.clientId === clientId)).toEqual([])

    await change(clientId, 'active')
    for (const { sessionId } of [before, during])
      expect(await site.topic.waitForOutcome(clientId, sessionId)).toMatchObject({
        data: { status: 200, attempts: 1 },
      })
  })

  test('that is retired is registered no more, and what is owed to it ends as such, also when Redis was lost', async () => {
    const path = `/${randomUUID()}`
    const [ended, later] = [await login(path), await login(path)]
    const { clientId } = ended
    await change(clientId, 'retired')
    await site.topic.publish(site.terminated(ended))
    expect((await site.topic.waitForOutcome(clientId, ended.sessionId)).data).toMatchObject({
      reason: 'retired',
      attempts: 0,
    })
    const refused = site.registration(path)
    await site.topic.publish(site.registered(refused), site.terminated(refused))
    const counted = () =>
      readMetric(relay, 'triggers_total', { type: 'backchannel-logout-registered', result: 'retired' })
    await eventually(async () => expect(await counted()).toBe(1))

    await loseRedis()
    await eventually(async () => expect(await stateOf(clientId)).toBe('retired'))
    await site.topic.publish(site.terminated(later))
    expect((await site.topic.waitForOutcome(clientId, later.sessionId)).data).toMatchObject({
      reason: 'retired',
    })
    expect(site.rps.at(path)).toEqual([])
    expect(site.topic.outcomes.filter(({ data }) => data.clientId === clientId)).toHaveLength(2)

    await change(clientId, 'active')
    const again = await login(path)
    await site.topic.publish(site.terminated(again))
    await site.rps.waitFor(path)
  })
})
