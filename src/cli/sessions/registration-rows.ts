import { durationText } from '../../lib/duration-text.ts'
import { timeText } from '../../lib/time-text.ts'
import type { SeenDelivery } from '../../redis/redis-backlog-view.ts'
import type { SessionState } from '../../redis/redis-session-view.ts'
import { isDatedUntil } from '../../registry/ending.ts'
import type { HeldRegistration } from '../../registry/registry.ts'

export interface RegistrationRow extends Record<string, unknown> {
  readonly oidcSessionId: string
  readonly clientId?: string
  readonly userId?: string
  readonly backchannelLogoutUri?: string
  readonly registeredAt?: string
  /** For people. */
  readonly state: string
  /** When the next attempt is due, for a parked one. */
  readonly dueAt?: string
  readonly attempts?: number
  readonly lastError?: string
}

/** The registrations of a session with what is going on with each. The query of a URI may hold a secret: it is left out. */
export function registrationRows(
  { registrations, broken, ended }: SessionState,
  parked: readonly SeenDelivery[],
  nowMs: number,
): RegistrationRow[] {
  const rows = registrations.map((it): RegistrationRow => {
    const delivery = parked.find(({ oidcSessionId }) => oidcSessionId === it.oidcSessionId)
    return {
      oidcSessionId: it.oidcSessionId,
      clientId: it.clientId,
      userId: it.userId,
      ...(it.registeredAtMs !== undefined && { registeredAt: timeText(it.registeredAtMs) }),
      ...(it.backchannelLogoutUri !== undefined && {
        backchannelLogoutUri: withoutQuery(it.backchannelLogoutUri),
      }),
      state: stateText(it, isEndedBy(ended, it, nowMs), delivery, nowMs),
      ...(delivery !== undefined && {
        dueAt: timeText(delivery.dueMs),
        attempts: delivery.state.attempts,
        ...(delivery.state.lastError !== undefined && { lastError: delivery.state.lastError }),
      }),
    }
  })
  const unreadable = broken.map(({ oidcSessionId, partial, reason }): RegistrationRow => {
    const { clientId, userId } = partial
    return {
      oidcSessionId,
      ...(clientId !== undefined && { clientId }),
      ...(userId !== undefined && { userId }),
      state: `cannot be read: ${reason}`,
    }
  })
  return [...rows, ...unreadable]
}

/** Not for a login that came after the end of a session with the same id. */
export function isEndedBy(
  ended: SessionState['ended'],
  registration: Pick<HeldRegistration, 'registeredAtMs'>,
  nowMs: number,
): boolean {
  return ended !== undefined && isDatedUntil(registration, ended.untilMs ?? Number.POSITIVE_INFINITY, nowMs)
}

/** How a registration stands, for people. Milliseconds since the epoch. */
function stateText(
  registration: HeldRegistration,
  hasEnded: boolean,
  delivery: SeenDelivery | undefined,
  nowMs: number,
): string {
  if (registration.isShadowed === true) return 'shadowed (ended in shadow mode, nothing was sent)'
  if (!hasEnded && delivery === undefined) return 'alive'
  return owedText(registration, delivery, nowMs)
}

/** How an owed registration stands, for people. Milliseconds since the epoch. */
function owedText(
  { pendingOutcome }: HeldRegistration,
  delivery: SeenDelivery | undefined,
  nowMs: number,
): string {
  if (pendingOutcome !== undefined) {
    return `${pendingOutcome.outcome.kind} (Kafka has not acknowledged the outcome yet)`
  }
  if (delivery === undefined) return 'owed'
  if (delivery.leasedUntilMs !== undefined) return 'owed (held by a relay)'
  if (delivery.isPaused) return `owed (parked, ${PAUSED})`
  return `owed (parked, next attempt ${dueText(delivery.dueMs, nowMs)})`
}

export const PAUSED = 'its client is paused'

export function dueText(dueMs: number, nowMs: number): string {
  return dueMs <= nowMs ? 'due now' : `in ${durationText(roundedUp(dueMs - nowMs))}`
}

/** Whole seconds: nobody waits for milliseconds. */
function roundedUp(ms: number): number {
  return Math.ceil(ms / 1_000) * 1_000
}

export function withoutQuery(uri: string): string {
  const at = uri.indexOf('?')
  return at === -1 ? uri : `${uri.slice(0, at)}?…`
}
