import { expect, test } from 'vitest'
import { ShadowTally } from '../../../src/cli/shadow/shadow-tally.ts'
import type { OutcomeDetails } from '../../../src/events/read-outcome-details.ts'
import type { Trigger } from '../../../src/events/trigger.ts'
import { ISSUER, sampleOrigin } from '../sample-registration.ts'

const outcome = (sessionId: string, overrides: Partial<OutcomeDetails> = {}): OutcomeDetails => ({
  kind: 'shadowed',
  issuer: ISSUER,
  sessionId,
  oidcSessionId: 'o',
  clientId: 'shop',
  userId: 'alice',
  would: 'send',
  ...overrides,
})
const about = { issuer: ISSUER, occurredAtMs: 0, untilMs: 0 }
const ended = (sessionId: string, id = sessionId): Trigger => ({
  ...about,
  type: 'session-terminated',
  sessionId,
  origin: sampleOrigin({ id }),
})
const signedOut = (userId: string): Trigger => ({
  ...about,
  type: 'user-signed-out',
  userId,
  origin: sampleOrigin({ id: userId }),
})

test('an outcome counts once, however often it is on the topic; the RP with problems comes first', () => {
  const tally = new ShadowTally()
  const private_ = { clientId: 'wiki', would: 'blocked', error: 'private' }
  for (const id of ['1', '1', '2']) tally.add(id, outcome(`s${id}`), 0)
  for (const id of ['3', '4', '4']) tally.add(id, outcome('s3', private_), 0)
  expect(tally.rows()).toMatchObject([
    {
      clientId: 'wiki',
      deliveries: 2,
      send: 0,
      problems: [{ would: 'blocked', error: 'private', deliveries: 2 }],
    },
    { clientId: 'shop', deliveries: 2, send: 2, problems: [] },
  ])
  expect(tally.rows('shop')).toHaveLength(1)
})

test('what differs in every error does not fill the memory, nor the table', () => {
  const tally = new ShadowTally()
  for (let i = 0; i < 1_000; i++) tally.add(`${i}`, outcome('s', { would: 'invalid', error: `${i}` }), 0)
  const [row] = tally.rows()
  expect(row?.problems.length).toBeLessThan(50)
  expect(row?.problems.reduce((sum, it) => sum + it.deliveries, 0)).toBe(1_000)
})

test('a trigger is without registration when neither it, nor its session, nor its user had an outcome', () => {
  const tally = new ShadowTally()
  tally.add('1', outcome('s1', { triggerId: 't1' }), 100)
  for (const it of [ended('s1', 'further'), ended('unknown'), signedOut('alice'), signedOut('bob')])
    tally.take(it)
  expect(tally.counts).toEqual({ triggers: 4, withoutRegistration: 2 })
})

test('triggers from before the first outcome count only if they led to one', () => {
  const tally = new ShadowTally()
  tally.add('1', outcome('s1'), 100)
  tally.take(ended('s1'), 99)
  tally.take(ended('old'), 99)
  tally.take(ended('unknown'), 101)
  expect(tally.counts).toEqual({ triggers: 2, withoutRegistration: 1 })
})
