import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { type Owed, planDeliveries } from '../../../src/delivery/resolve.ts'
import type { Registration } from '../../../src/events/registration.ts'
import { ISSUER, sampleOrigin, sampleRegistration } from '../sample-registration.ts'
import { knownRelyingParties } from './known-relying-parties.ts'

function owed(
  oidcSessionId: string,
  overrides: Partial<Registration> = {},
  everywhere = true,
  id = 'trigger-1',
): Owed {
  return {
    registration: sampleRegistration({
      oidcSessionId,
      sessionId: `session of ${oidcSessionId}`,
      claims: 'sub',
      ...overrides,
    }),
    cause: { origin: sampleOrigin({ id }), occurredAtMs: 0, everywhere },
    deadlineMs: 1_000,
    sourceRecord: { acknowledge: () => undefined },
  }
}

/** Which registrations each delivery settles, in an order of its own. */
function plan(items: Owed[], relyingParties = knownRelyingParties()): string[] {
  return planDeliveries(items, relyingParties)
    .map(({ registration, coalesced }) =>
      [registration, ...coalesced].map(({ oidcSessionId }) => oidcSessionId).join('+'),
    )
    .sort()
}

describe('resolve', () => {
  test('one delivery per registration', () => {
    expect(
      plan([owed('a', { claims: 'both' }), owed('b', { claims: 'both' }), owed('c', { claims: 'sid' })]),
    ).toEqual(['a', 'b', 'c'])
    expect(plan([])).toEqual([])
  })

  test('an RP that wants sub alone gets one token for all registrations of the user', () => {
    expect(plan([owed('a'), owed('b'), owed('c')])).toEqual(['a+b+c'])
  })

  test('so does one of an issuer whose clients want sub alone, unless a registration says otherwise', () => {
    const parties = knownRelyingParties()
    const { clientId } = sampleRegistration()
    parties.get(ISSUER, clientId).defaultClaims = 'sub'
    const { claims: _, ...silent } = sampleRegistration()
    const of = (name: string, more: object) => ({
      ...owed(name),
      registration: { ...silent, oidcSessionId: name, sessionId: `session of ${name}`, ...more },
    })
    expect(plan([of('a', {}), of('b', { claims: 'both' }), of('c', {})], parties)).toEqual(['a+c', 'b'])
  })

  test('but not for those of another RP, another subject or another trigger', () => {
    expect(
      plan([
        owed('a'),
        owed('b', { clientId: 'client-2' }),
        owed('c', { sub: 'pairwise' }),
        owed('d', {}, true, 'trigger-2'),
        owed('e'),
      ]),
    ).toEqual(['a+e', 'b', 'c', 'd'])
  })

  test('one that may be tried for longer does not end with the others', () => {
    expect(plan([owed('a'), { ...owed('b'), deadlineMs: 2_000 }, owed('c')])).toEqual(['a+c', 'b'])
  })

  test('what was decided of one registration says nothing of the others', () => {
    const pendingOutcome = {
      outcome: { kind: 'sent', jti: 'j', attempts: 1, status: 200 },
      origin: sampleOrigin(),
      occurredAtMs: 0,
    } as const
    const told = owed('told')
    const decided = { ...told, registration: { ...told.registration, pendingOutcome } }
    expect(plan([decided, owed('a'), owed('b')])).toEqual(['a+b', 'told'])
    expect(plan([owed('a'), decided, owed('b')])).toEqual(['a+b', 'told'])
  })

  test('nor when one session ended, nor for an RP that needs the session', () => {
    expect(plan([owed('a', {}, false), owed('b', {}, false)])).toEqual(['a', 'b'])
    expect(
      plan([
        owed('a', { sessionRequired: true }),
        owed('b', { sessionRequired: true }),
        owed('c'),
        owed('d'),
      ]),
    ).toEqual(['a', 'b', 'c+d'])
  })

  test('the RP’s settings go above its registrations', () => {
    const relyingParties = knownRelyingParties()
    relyingParties.get(ISSUER, 'client-1').settings = { claims: 'both' }
    expect(plan([owed('a'), owed('b')], relyingParties)).toEqual(['a', 'b'])
    relyingParties.get(ISSUER, 'client-1').settings = { claims: 'sub' }
    expect(plan([owed('a', { claims: 'both' }), owed('b')], relyingParties)).toEqual(['a+b'])
  })

  test('every sourceRecord waits for the delivery that settles it', () => {
    const items = [owed('a'), owed('b'), owed('c')]
    const [delivery] = planDeliveries(items, knownRelyingParties())
    expect(delivery?.sourceRecords).toEqual(items.map(({ sourceRecord }) => sourceRecord))
  })

  test('what was parked goes on where it stopped', () => {
    const { sourceRecord, ...item } = owed('a')
    const parked = {
      attempts: 3,
      doubtful: 1,
      deadlineMs: 9,
      lastStatus: 503,
      lastError: 'HTTP 503',
      cause: item.cause,
    }
    expect(planDeliveries([{ ...item, parked }], knownRelyingParties())).toMatchObject([
      {
        attempts: 3,
        doubtful: 1,
        lastStatus: 503,
        lastError: 'HTTP 503',
        isClaimed: true,
        deadlineMs: 1_000,
        sourceRecords: [],
      },
    ])
  })
})

describe('relying parties', () => {
  test('one object per RP, also by the name of its backlog', () => {
    const relyingParties = knownRelyingParties()
    const rp = relyingParties.get(ISSUER, 'client|1')
    expect(relyingParties.get(ISSUER, 'client|1')).toBe(rp)
    expect(relyingParties.byKey(rp.key)).toBe(rp)
    expect([...relyingParties]).toEqual([rp])
  })

  test('the RPs of one plan are not forgotten while it is made, however many there are', () => {
    const relyingParties = knownRelyingParties()
    for (let i = 0; i < 19_999; i++) relyingParties.get(ISSUER, `idle-${i}`)
    const deliveries = planDeliveries(
      [owed('a', { clientId: 'one' }), owed('b', { clientId: 'two' }), owed('c', { clientId: 'three' })],
      relyingParties,
    )
    expect(deliveries.map(({ rp }) => relyingParties.get(rp.issuer, rp.clientId) === rp)).toEqual([
      true,
      true,
      true,
    ])
  })
})

test('V8 optimizes what runs for each delivery, instead of giving up on it again and again', () => {
  const script = new URL('plan-many-deliveries.ts', import.meta.url).pathname
  const { stdout } = spawnSync(process.execPath, ['--no-maglev', '--trace-opt', script], { encoding: 'utf8' })
  const lines = stdout.split('\n')
  expect(
    lines.filter((line) => line.startsWith('[completed optimizing') && line.includes('planDeliveries')),
  ).not.toEqual([])
  // One that is given up while the first RPs are met is made again, and then it is done.
  expect(lines.filter((line) => line.startsWith('[aborted optimizing')).length).toBeLessThan(5)
})
