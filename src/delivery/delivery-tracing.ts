import type { AttemptResult } from '../egress/sender.ts'
import type { LogoutEndpoint } from '../events/logout-endpoint.ts'
import type { TraceContext } from '../events/trace-context.ts'
import type { Trigger } from '../events/trigger.ts'
import type { Verdict } from '../transports/transport.ts'
import type { Delivery } from './delivery.ts'

/** A span that was begun; it is ended exactly once. */
export interface TriggerSpan {
  /** What its attempts go on with in place of the trigger's own context. */
  readonly context: TraceContext
  /** With the number of deliveries that follow. */
  end(owed: number): void
}

export interface AttemptSpan {
  /** For the request's headers. */
  readonly context: TraceContext
  end(result: AttemptResult, verdict: Verdict): void
}

/** Spans, where somebody collects them; where nobody does there is no such object, and nothing is spent on it. */
export interface DeliveryTracing {
  /** `startedAtMs` is when the registry was asked, in milliseconds since the epoch. */
  resolving(trigger: Trigger, startedAtMs: number): TriggerSpan
  attempting(delivery: Delivery, endpoint: LogoutEndpoint): AttemptSpan
}
