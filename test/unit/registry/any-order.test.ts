import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readPreset } from '../../../src/config/mapping-file.ts'
import { Decoders } from '../../../src/events/decoding/decode-record.ts'
import { MappingDecoder } from '../../../src/events/decoding/mapping/mapping.ts'
import { Pipeline } from '../../../src/intake/pipeline.ts'
import type { RegistrationKey } from '../../../src/registry/registry.ts'
import { MemoryRegistry } from '../../support/memory-registry.ts'
import { ISSUER } from '../sample-registration.ts'
import { servedIssuer } from '../served-issuer.ts'

// Listeners of Keycloak write no keys, and several topics: the records of one session are read in any order.

const START_MS = Date.parse('2026-06-01T00:00:00Z')
const NOW_MS = START_MS + 600_000
const LOGINS_S = 50
/** The clocks' tolerance lies between an end and a login that is a later one. */
const [ENDS_S, LATER_S] = [60, 80]

type Event = Readonly<Record<string, unknown>> & { readonly time: number; readonly ipAddress: string }
type End = 'LOGOUT' | 'USER_SESSION_DELETED' | 'remove' | 'logout-user' | 'disable'

let written = 0
/** Of no meaning to the preset, and another for each record. */
const unique = () => ({ ipAddress: String(written++) })

const event = (type: string, seconds: number, ids: object): Event => ({
  ...{ id: null, type, realmId: 'r-1', realmName: 'shop', error: null, details: {} },
  ...{ clientId: null, time: START_MS + 1_000 * seconds, ...ids },
  ...unique(),
})
const admin = (
  operationType: string,
  resourcePath: string,
  seconds: number,
  representation: object,
): Event => ({
  ...{ realmId: 'r-1', operationType, resourcePath, error: null, time: START_MS + 1_000 * seconds },
  representation: JSON.stringify(representation),
  ...unique(),
})

const endings: Readonly<Record<End, (sessionId: string, userId: string, seconds: number) => Event>> = {
  LOGOUT: (sessionId, userId, s) => event('LOGOUT', s, { sessionId, userId }),
  USER_SESSION_DELETED: (sessionId, userId, s) => event('USER_SESSION_DELETED', s, { sessionId, userId }),
  remove: (sessionId, _, s) => admin('DELETE', `sessions/${sessionId}`, s, { offline: false }),
  'logout-user': (_, userId, s) => admin('ACTION', `users/${userId}/logout`, s, {}),
  disable: (_, userId, s) => admin('UPDATE', `users/${userId}`, s, { enabled: false }),
}
const isOfUser = (end: End) => end === 'logout-user' || end === 'disable'

const login = fc.record({
  client: fc.constantFrom('c1', 'c2', 'c3'),
  seconds: fc.integer({ min: 0, max: LOGINS_S }),
})
const session = fc.record({
  user: fc.constantFrom('u1', 'u2'),
  isLater: fc.boolean(),
  logins: fc.array(login, { minLength: 1, maxLength: 3 }),
  ends: fc.array(
    fc.tuple(
      fc.constantFrom<End>('LOGOUT', 'USER_SESSION_DELETED', 'remove', 'logout-user', 'disable'),
      fc.integer({ min: ENDS_S, max: ENDS_S + 5 }),
    ),
    { maxLength: 3 },
  ),
})

/** What happened, and which logins are over and which are alive then. */
const history = fc.array(session, { minLength: 1, maxLength: 4 }).map((sessions) => {
  const named = sessions.map((it, i) => ({ ...it, sessionId: `s${i}`, ends: it.isLater ? [] : it.ends }))
  const signedOut = new Set(
    named.flatMap(({ ends, user }) => (ends.some(([end]) => isOfUser(end)) ? [user] : [])),
  )
  const events = named.flatMap(({ sessionId, user: userId, logins, ends, isLater }) => [
    ...logins.flatMap(({ client: clientId, seconds }) =>
      ['LOGIN', 'CODE_TO_TOKEN'].map((type, i) =>
        event(type, seconds + i + (isLater ? LATER_S : 0), { sessionId, userId, clientId }),
      ),
    ),
    ...ends.map(([end, seconds]) => endings[end](sessionId, userId, seconds)),
  ])
  const keys = (isOver: boolean) =>
    named
      .filter(({ ends, isLater, user }) => isOver === (!isLater && (ends.length > 0 || signedOut.has(user))))
      .flatMap(({ sessionId, logins }) => logins.map(({ client }) => `${sessionId}/${client}`))
  return { events, over: new Set(keys(true)), alive: new Set(keys(false)) }
})

const mapping = new MappingDecoder([{ topics: ['*'], ...readPreset('keycloak') }])
const pipeline = new Pipeline(new Decoders(() => ISSUER, [mapping]), servedIssuer({ isEnabled: true }))

/** Whom the core would tell of what it reads, in that order; each is settled at once if `isSettled` says so. */
async function reading(
  registry: MemoryRegistry,
  events: readonly Event[],
  isSettled: (i: number) => boolean,
) {
  const told: string[] = []
  for (const [i, value] of events.entries()) {
    const bytes = Buffer.from(JSON.stringify(value))
    const offset = Number(value.ipAddress)
    const place = { topic: `topic-${offset % 3}`, partition: offset % 2, offset }
    const record = { ...place, timestampMs: value.time, key: null, value: bytes, headers: {} }
    const decoded = pipeline.decoders.decode(record, NOW_MS)
    if (!('kind' in decoded)) throw new Error('one event says one thing')
    const step = pipeline.step(decoded)
    if (step === undefined) throw new Error(`not read: ${JSON.stringify(value)}`)
    const [answer] = await registry.apply([step])
    const owed: RegistrationKey[] = []
    if (answer?.kind === 'owed') owed.push(...answer.groups.flatMap(({ registrations }) => registrations))
    if (answer?.kind === 'registered' && answer.endedBy !== undefined && step.kind === 'register')
      owed.push(step.registration)
    told.push(...owed.map((it) => `${it.sessionId}/${it.oidcSessionId}`))
    if (isSettled(i)) await registry.settle(owed)
  }
  return told
}

async function aliveIn(registry: MemoryRegistry, names: Iterable<string>): Promise<Set<string>> {
  const all = [...names]
  const keys = all.map((name) => {
    const [sessionId = '', oidcSessionId = ''] = name.split('/')
    return { issuer: ISSUER, sessionId, oidcSessionId }
  })
  const found = await registry.find(keys)
  return new Set(all.filter((_, i) => found[i] !== undefined))
}

test('in whatever order logins and logouts are read, all RPs of an ended session hear, and later logins live', async () => {
  const histories = history.chain(({ events, ...expected }) => {
    const order = fc.shuffledSubarray(events, { minLength: events.length, maxLength: events.length })
    return fc.record({
      expected: fc.constant(expected),
      first: order,
      again: order,
      settled: fc.array(fc.boolean()),
    })
  })
  await fc.assert(
    fc.asyncProperty(histories, async ({ expected: { over, alive }, first, again, settled }) => {
      const registry = new MemoryRegistry()
      const isSettled = (i: number) => settled[i % Math.max(settled.length, 1)] ?? false
      const told = new Set(await reading(registry, first, isSettled))
      expect(told).toEqual(over)
      expect(await aliveIn(registry, alive)).toEqual(alive)
      // A group that is rewound reads all of it once more, in another order.
      const toldAgain = new Set(await reading(registry, again, () => true))
      expect([...toldAgain].filter((name) => !over.has(name))).toEqual([])
      expect(await aliveIn(registry, [...alive, ...over])).toEqual(alive)
    }),
    { numRuns: 500 },
  )
})

test('a repeated login of one client in one session replaces, and never doubles', async () => {
  const logins = fc.array(
    fc.tuple(fc.constantFrom('LOGIN', 'CODE_TO_TOKEN'), fc.integer({ min: 0, max: LOGINS_S })),
    {
      minLength: 1,
      maxLength: 6,
    },
  )
  await fc.assert(
    fc.asyncProperty(logins, async (all) => {
      const ids = { sessionId: 's', userId: 'u', clientId: 'c' }
      const events = all.map(([type, seconds]) => event(type, seconds, ids))
      const told = await reading(
        new MemoryRegistry(),
        [...events, endings.LOGOUT('s', 'u', ENDS_S)],
        () => true,
      )
      expect(told).toEqual(['s/c'])
    }),
    { numRuns: 200 },
  )
})
