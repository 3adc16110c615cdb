import { expect, test } from 'vitest'
import type { Registration } from '../../../src/events/registration.ts'
import { eventually } from '../../support/eventually.ts'
import { ISSUER, sampleOrigin, sampleRegistration } from '../sample-registration.ts'
import { deliveryFixture } from './delivery-fixture.ts'

const PUBLIC = 'https://93.184.215.14/logout'
const at = (backchannelLogoutUri: string, more: Partial<Registration> = {}) =>
  sampleRegistration({ backchannelLogoutUri, ...more })

/** What is said of one delivery. */
async function shadow(
  registration: Registration,
  options: Parameters<typeof deliveryFixture>[0] = {},
  forMs?: number,
) {
  const fixture = deliveryFixture({ ...options, isShadow: true })
  const [sourceRecord] = await fixture.owe([registration], {}, forMs)
  await eventually(() => expect(sourceRecord?.isSettled).toBe(true))
  expect(fixture.attempts).toEqual([])
  expect(await fixture.backlog.sizes(1)).toEqual([])
  expect(fixture.breakers).toEqual([])
  return { ...fixture, outcome: fixture.outcomes()[0] }
}

test.each([
  ['send', at(PUBLIC), {}],
  ['blocked', at('https://10.0.0.1/logout'), {}],
  ['blocked', at(PUBLIC), { env: { CLIENT_HOSTS: 'client-1=rp.example.com' } }],
  ['invalid', at(PUBLIC), { hasKey: false }],
  ['invalid', at(PUBLIC, { issuer: 'https://unknown.example' }), {}],
] as const)('%s', async (would, registration, options) => {
  const { outcome, settled } = await shadow(registration, options)
  expect(outcome).toMatchObject({ type: 'backchannel-logout-shadowed', would, attempts: 0, status: null })
  if (would === 'send')
    expect(outcome).toMatchObject({ jti: expect.any(String), origin: 'https://93.184.215.14' })
  else expect(outcome?.error).toEqual(expect.any(String))
  expect(settled).toEqual(['shadowed'])
})

test('past its deadline: expired, before and during its turn', async () => {
  expect((await shadow(at(PUBLIC), {}, 0)).outcome).toMatchObject({ would: 'expired' })
  const env = { MAX_IN_FLIGHT: '1' }
  const { clock, core, outcomes, owe, stored } = deliveryFixture({ env, isShadow: true, isSignedLater: true })
  const [first, second] = ['o1', 'o2'].map((oidcSessionId) => at(PUBLIC, { oidcSessionId }))
  await owe([first as Registration])
  await owe([second as Registration], {}, 10)
  clock.nowMs += 20
  await eventually(() => expect(core.open.size).toBe(0))
  await stored()
  expect(
    outcomes()
      .map(({ would }) => would)
      .sort(),
  ).toEqual(['expired', 'send'])
})

test('one token for several registrations: an outcome for each', async () => {
  const { outcomes, owe } = deliveryFixture({ isShadow: true })
  const registrations = ['o1', 'o2'].map((oidcSessionId) => at(PUBLIC, { oidcSessionId, claims: 'sub' }))
  const sourceRecords = await owe(registrations, { everywhere: true })
  await eventually(() => expect(sourceRecords.map(({ isSettled }) => isSettled)).toEqual([true, true]))
  const [one, other] = outcomes()
  expect([one?.oidcSessionId, other?.oidcSessionId]).toEqual(['o1', 'o2'])
  expect(one?.jti).toBe(other?.jti)
})

test('what cannot be read, and what has gone, is shadowed too, and never failed', async () => {
  const { core, outcomes, stored } = deliveryFixture({ isShadow: true })
  const cause = { origin: sampleOrigin(), occurredAtMs: 0, everywhere: false }
  const name = { issuer: ISSUER, sessionId: 's', oidcSessionId: 'o' }
  core.admission.refuse({ ...name, reason: 'is not JSON', partial: {} }, cause, undefined)
  const state = { attempts: 0, doubtful: 0, deadlineMs: 1, cause }
  core.admission.giveUp({ ...name, rpKey: `${ISSUER}|client-1`, dueMs: 0, state }, undefined)
  await stored()
  expect(outcomes()).toMatchObject([
    { type: 'backchannel-logout-shadowed', would: 'invalid', error: 'is not JSON' },
    { type: 'backchannel-logout-shadowed', would: 'expired' },
  ])
})

test('while Kafka takes no outcome, none is noted: to decide it again costs nobody anything', async () => {
  let failures = 2
  const acknowledged = async () => {
    if (failures-- > 0) throw new Error('away')
  }
  const { noted, outcome } = await shadow(at(PUBLIC), { acknowledged })
  expect(outcome).toMatchObject({ would: 'send' })
  expect(noted).toEqual([])
})
