import type { Registration } from '../../src/events/registration.ts'
import type { TriggerOrigin } from '../../src/events/trigger.ts'
import type { Ending } from '../../src/registry/ending.ts'

export const ISSUER = 'https://op.example/realms/a'
export const OTHER_ISSUER = 'https://op.example/realms/b'

/** A registration that is valid in every field; a test names only what it is about. */
export function sampleRegistration(overrides: Partial<Registration> = {}): Registration {
  const sessionId = overrides.sessionId ?? 'session-1'
  const userId = overrides.userId ?? 'user-1'
  return {
    issuer: ISSUER,
    sessionId,
    oidcSessionId: 'oidc-1',
    clientId: 'client-1',
    userId,
    sub: userId,
    sid: sessionId,
    backchannelLogoutUri: 'https://rp.example/backchannel-logout',
    registeredAtMs: 1_700_000_000_000,
    ...overrides,
  }
}

export function sampleOrigin(overrides: Partial<TriggerOrigin> = {}): TriggerOrigin {
  return { id: 'trigger-1', topic: 'session-events', partition: 0, offset: 7, ...overrides }
}

/** Of the sample trigger. Without a cut-off everything belongs to it that was registered at any time. */
export function sampleEnding(overrides: Partial<Ending> = {}): Ending {
  return {
    origin: sampleOrigin(),
    occurredAtMs: 1_700_000_060_000,
    untilMs: 4_000_000_000_000,
    deadlineMs: 1_700_003_660_000,
    everywhere: false,
    ...overrides,
  }
}
