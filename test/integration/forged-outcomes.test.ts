import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { inputRecord } from '../support/input-record.ts'
import { relayCommand } from '../support/relay-command.ts'
import { ISSUER, type RegistrationInput, type RelaySite } from '../support/relay-site.ts'
import { TopicLog } from '../support/topic-log.ts'
import { openSite } from './open-site.ts'

const command = (site: RelaySite, ...args: string[]) => relayCommand(args, site.commandEnvironment())

/** As a relay would write it, but written by somebody else. */
function forged(
  kind: 'sent' | 'failed',
  registration: RegistrationInput,
  trigger: Readonly<Record<string, unknown>> | undefined,
  more: Readonly<Record<string, unknown>> = {},
) {
  return inputRecord(`backchannel-logout-${kind}`, {
    ...registration,
    ...{ issuer: ISSUER, sub: registration.userId, sid: registration.sessionId, jti: 'j', attempts: 1 },
    ...{ status: 200, registeredAt: Date.now(), occurredAt: Date.now(), trigger, ...more },
  })
}

const isRegistered = (site: RelaySite, { sessionId }: RegistrationInput) =>
  eventually(async () => expect(await site.redis.exists(site.sessionKey(sessionId))).toBe(1))

/** Lost as a whole, the registry is built anew from the log. */
async function rebuilt(site: RelaySite) {
  await site.redis.del(await site.redisKeys())
  return site.startRelay()
}

describe('outcomes on a topic of their own', () => {
  let site: RelaySite
  let outcomes: TopicLog

  beforeAll(async () => {
    site = await openSite({ topic: { partitions: 1 } })
  })
  afterAll(async () => {
    await outcomes?.close()
    await site.close()
  })
  const own = () => ({ KAFKA_OUTCOME_TOPIC: `${site.topic.name}.outcomes` })
  const run = (...args: string[]) => relayCommand(args, site.commandEnvironment(own()))

  test('one on the input topic ends nothing, and is no logout that was sent', async () => {
    let relay = await site.startRelay(own())
    outcomes = await TopicLog.follow(site.kafkaBrokers, own().KAFKA_OUTCOME_TOPIC)
    expect(relay.log.some(({ check }) => check === 'outcome-topic')).toBe(false)
    const victim = site.registration('/own-topic')
    const trigger = { id: 'x', topic: site.topic.name, partition: 0, offset: 0 }
    await site.topic.publish(site.registered(victim), forged('sent', victim, trigger))
    await isRegistered(site, victim)
    await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
    await relay.stop()

    const compared = await run('reconcile', '--dry-run', '--json')
    expect(compared).toMatchObject({
      status: 0,
      stderr: expect.stringContaining('1 outcome is ignored'),
    })
    const traced = await run('trace', victim.sessionId)
    expect(traced.stdout).toMatch(/disbelieved .*ignored, because it is not on/)
    expect(traced.stdout).toContain('1 registered, no logout requested')

    await site.redis.del(await site.redisKeys())
    relay = await site.startRelay(own())
    await relay.waitForLog(({ check, level }) => check === 'outcome-topic' && level === 'warn')
    await site.topic.publish(site.terminated(victim))
    const outcome = await outcomes.waitForOutcome(victim.clientId)
    expect(outcome.headers.ce_type).toBe('backchannel-logout-sent')
    expect(site.rps.at('/own-topic')).toHaveLength(1)
    // Those of relays are believed: it does not come back.
    await relay.stop()
    await site.redis.del(await site.redisKeys())
    await site.startRelay(own())
    expect(await site.redis.exists(site.sessionKey(victim.sessionId))).toBe(0)
    expect((await run('trace', victim.sessionId)).stdout).toContain('1 sent')
  })
})

describe('outcomes on the input topic', () => {
  let site: RelaySite

  beforeAll(async () => {
    site = await openSite({ topic: { partitions: 1 } })
  })
  afterAll(() => site.close())

  test('whoever may write triggers may forge them: a hint, and one without its trigger ends nothing', async () => {
    const relay = await site.startRelay()
    await relay.waitForLog(({ check, level }) => check === 'outcome-topic' && level === 'info')
    const [victim, told] = ['/victim', '/told'].map((path) => site.registration(path)) as [
      RegistrationInput,
      RegistrationInput,
    ]
    await site.topic.publish(site.registered(victim), site.registered(told), site.terminated(told))
    await site.topic.waitForOutcome(told.clientId)
    const beyond = { id: 'x', topic: site.topic.name, partition: 0, offset: 1_000_000 }
    await site.topic.publish(forged('sent', victim, beyond), forged('sent', victim, undefined))
    await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
    await relay.stop()

    expect(await command(site, 'reconcile', '--dry-run')).toMatchObject({ status: 0 })
    const traced = await command(site, 'trace', victim.sessionId)
    expect(traced.stdout).toContain('ignored, because its trigger is not on the topic')
    expect(traced.stdout).toContain('1 registered, no logout requested')

    await rebuilt(site)
    await site.topic.publish(site.terminated(victim))
    await site.topic.waitFor(
      ({ data, headers }) =>
        data.clientId === victim.clientId &&
        headers.ce_type === 'backchannel-logout-sent' &&
        data.status === 200 &&
        data.jti !== 'j',
    )
    expect(site.rps.at('/victim')).toHaveLength(1)
    expect(site.rps.at('/told')).toHaveLength(1)
  })

  test('replay --failed sends nothing to an address that nobody registered', async () => {
    const real = site.registration('/real')
    site.rps.uri('/real', 410)
    await site.topic.publish(site.registered(real), site.terminated(real))
    const failure = await site.topic.waitForOutcome(real.clientId)
    const { trigger } = failure.data as { trigger: Readonly<Record<string, unknown>> }
    const elsewhere = { ...real, oidcSessionId: 'forged', backchannelLogoutUri: site.rps.uri('/attacker') }
    const reason = { reason: 'rejected', registeredAt: Date.now() }
    await site.topic.publish(forged('failed', elsewhere, trigger, reason))
    site.rps.uri('/real', 200)
    const { status, stderr } = await command(site, 'replay', '--from', '1h', '--failed')
    expect(stderr).toContain('1 failed outcomes are ignored')
    expect(status).toBe(0)
    expect(site.rps.at('/attacker')).toEqual([])
    expect(site.rps.at('/real').length).toBeGreaterThan(1)
  })

  test('what a forged reason holds does not reach the terminal', async () => {
    const hostile = 'a\u001b]0;x\u0007b\u009b2Jc\u202ed\u2028e'
    const victim = site.registration('/hostile', { clientId: hostile })
    const trigger = { id: hostile, topic: site.topic.name, partition: 0, offset: 0 }
    await site.topic.publish(forged('failed', victim, trigger, { reason: hostile, lastError: hostile }))
    for (const more of [[], ['--json']]) {
      const { stdout, stderr } = await command(site, 'trace', victim.sessionId, ...more)
      expect(stdout).toMatch(/failed|disbelieved/)
      expect(`${stdout}${stderr}`.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u)
    }
  })
})
