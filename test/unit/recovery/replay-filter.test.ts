import { expect, test } from 'vitest'
import { concerns, mayConcern } from '../../../src/recovery/replay-filter.ts'
import { ISSUER, sampleOrigin, sampleRegistration } from '../sample-registration.ts'

const base = { issuer: ISSUER, origin: sampleOrigin(), occurredAtMs: 0, untilMs: 0 }
const terminated = { ...base, type: 'session-terminated', sessionId: 's' } as const
const everywhere = { ...base, type: 'user-signed-out', userId: 'u' } as const

test('a trigger that does not tell may be meant; its registrations decide', () => {
  expect(mayConcern({}, terminated)).toBe(true)
  expect(mayConcern({ user: 'u' }, terminated)).toBe(true)
  expect(mayConcern({ user: 'u' }, { ...terminated, userId: 'v' })).toBe(false)
  expect(mayConcern({ session: 'other' }, terminated)).toBe(false)
  expect(mayConcern({ session: 'other' }, everywhere)).toBe(true)
  expect(mayConcern({ type: 'user-signed-out' }, terminated)).toBe(false)
  expect(mayConcern({ issuer: 'https://other.example' }, everywhere)).toBe(false)
  expect(mayConcern({ client: 'c' }, terminated)).toBe(true)
})

test('every filter must hold', () => {
  const it = sampleRegistration({ sessionId: 's', userId: 'u', clientId: 'c' })
  expect(concerns({ session: 's', user: 'u', client: 'c', issuer: ISSUER }, it)).toBe(true)
  for (const filter of [{ session: 'x' }, { user: 'x' }, { client: 'x' }, { issuer: 'x' }])
    expect(concerns(filter, it)).toBe(false)
  expect(concerns({ client: 'c' }, { issuer: ISSUER, sessionId: 's' })).toBe(false)
})
