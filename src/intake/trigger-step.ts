import type { DeliveryCause } from '../delivery/delivery.ts'
import type { TraceContext } from '../events/trace-context.ts'
import type { Trigger } from '../events/trigger.ts'
import type { RegistryStep } from '../registry/registry.ts'

/**
 * A sign-out everywhere ends what was registered before it; logins after it are left alone, also when it is
 * replayed. Between two clocks, a session that survives is worse than one that ends too soon.
 */
const CLOCK_TOLERANCE_MS = 5_000

export type TriggerStep = Exclude<RegistryStep, { kind: 'register' }>

/** What a trigger asks of the registry; `undefined` for a sign-out without a session where that means nothing. */
export function triggerStep(
  trigger: Trigger,
  signedOutWithoutSession: 'fan-out' | 'ignore',
): TriggerStep | undefined {
  const { issuer, origin } = trigger
  if (trigger.sessionId !== undefined) {
    return { kind: 'end-session', issuer, sessionId: trigger.sessionId, origin }
  }
  if (trigger.type !== 'user-signed-out' || signedOutWithoutSession === 'ignore') return undefined
  const { occurredAtMs, userId } = trigger
  const registeredUntilMs = occurredAtMs + CLOCK_TOLERANCE_MS
  return { kind: 'end-user', issuer, userId, origin, occurredAtMs, registeredUntilMs }
}

/** `context`: the span that was begun for the trigger, where there is one. */
export function causeOf(trigger: Trigger, context: TraceContext = trigger): DeliveryCause {
  const { origin, occurredAtMs, sessionId } = trigger
  const { traceparent, tracestate } = context
  return {
    origin,
    occurredAtMs,
    everywhere: sessionId === undefined,
    ...(traceparent !== undefined && { traceparent }),
    ...(tracestate !== undefined && { tracestate }),
  }
}
