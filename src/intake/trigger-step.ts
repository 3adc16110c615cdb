import type { TraceContext } from '../events/trace-context.ts'
import type { Trigger } from '../events/trigger.ts'
import type { Ending } from '../registry/ending.ts'
import type { RegistryStep } from '../registry/registry.ts'

export type TriggerStep = Extract<RegistryStep, { ending: unknown }>

/**
 * The registry step of a trigger; `undefined` for a sign-out without a session if that has no effect. `deadlineMs`: when its
 * deliveries expire, in milliseconds since the epoch. `context`: the trigger's span, if there is one.
 */
export function triggerStep(
  trigger: Trigger,
  signedOutWithoutSession: 'fan-out' | 'ignore',
  deadlineMs: number,
  context: TraceContext = trigger,
): TriggerStep | undefined {
  const { issuer, sessionId, userId } = trigger
  if (sessionId !== undefined) {
    const ending = endingOf(trigger, deadlineMs, context)
    return { kind: 'end-session', issuer, sessionId, ...(userId !== undefined && { userId }), ending }
  }
  if (trigger.type !== 'user-signed-out' || signedOutWithoutSession === 'ignore') return undefined
  return { kind: 'end-user', issuer, userId: trigger.userId, ending: endingOf(trigger, deadlineMs, context) }
}

function endingOf(trigger: Trigger, deadlineMs: number, { traceparent, tracestate }: TraceContext): Ending {
  const { occurredAtMs, origin, sessionId, untilMs, userId } = trigger
  return {
    origin,
    occurredAtMs,
    untilMs,
    deadlineMs,
    everywhere: sessionId === undefined,
    ...(userId !== undefined && { userId }),
    ...(traceparent !== undefined && { traceparent }),
    ...(tracestate !== undefined && { tracestate }),
  }
}
