import { expect, test } from 'vitest'
import { registrationRows } from '../../../../src/cli/sessions/registration-rows.ts'
import { ISSUER, sampleRegistration } from '../../sample-registration.ts'

const NOW_MS = 2_000_000_000_000
const stateOf = (registeredAtMs: number | undefined, untilMs: number | undefined) => {
  const registration = { ...sampleRegistration({}), registeredAtMs: registeredAtMs as number }
  const ended = { ...(untilMs !== undefined && { untilMs }), expiresInMs: 1_000, settled: [] }
  const session = { issuer: ISSUER, sessionId: registration.sessionId, broken: [], ended }
  return registrationRows({ ...session, registrations: [registration] }, [], NOW_MS)[0]?.state
}

test('a login that came after the end of a session with the same id is not owed', () => {
  expect(stateOf(NOW_MS - 1_000, NOW_MS - 60_000)).toBe('alive')
  expect(stateOf(NOW_MS - 60_000, NOW_MS - 1_000)).toBe('owed')
  expect(stateOf(NOW_MS, undefined)).toBe('owed')
  expect(stateOf(undefined, NOW_MS - 60_000)).toBe('owed')
})
