import type { AttemptMessage, AttemptResult } from '../egress/sender.ts'
import type { Outcome, OutcomeType } from '../events/outcome.ts'
import type { Registration } from '../events/registration.ts'
import type { RpSettings } from '../registry/rp-settings.ts'

/**
 * What an attempt's result means for the delivery.
 * - `sent`: the RP accepted what it was sent. Only for an answer, as the next two.
 * - `doubtful`: RPs answer so while something of theirs is cold or half deployed, and also when they mean it.
 * - `rejected`: the RP will not accept this delivery.
 * - `retry`: the fault may pass.
 * - `blocked`: the egress guard refused the address. Only for that.
 * - `local`: nothing was sent, for want of something on this side; it says nothing of the RP. Never for an answer.
 */
export type Verdict = 'sent' | 'doubtful' | 'retry' | 'rejected' | 'blocked' | 'local'

/** What a transport reads of a delivery. */
export interface DeliveryContent {
  readonly rp: { readonly clientId: string; readonly settings: RpSettings }
  readonly registration: Registration
  /** Further registrations that the same message settles. */
  readonly coalesced: readonly Registration[]
  /** `occurredAtMs` is when the session ended. Milliseconds since the epoch. */
  readonly cause: { readonly occurredAtMs: number }
}

export interface PreparedRequest extends AttemptMessage {
  readonly kind: 'request'
  /** Of the token in the body: what the log and the outcome name this attempt by. */
  readonly jti: string
}

export type Prepared =
  | PreparedRequest
  /** The registration, or the lack of a key, makes a request impossible. Holds nothing of a key or a token. */
  | { readonly kind: 'invalid'; readonly message: string }

/**
 * How what is owed becomes a request, and what an answer to it means. Waiting, retry, breaker, backlog and outcomes are
 * the core's, whatever the transport.
 */
export interface Transport {
  /** A word of its own. */
  readonly kind: string
  /** The `ce_type` of the outcomes in which its deliveries end. */
  readonly outcomeTypes: Readonly<Record<Outcome['kind'], OutcomeType>>
  /** Called once per attempt, with the time in milliseconds since the epoch. Never throws. */
  prepare(delivery: DeliveryContent, nowMs: number): Prepared
  /** The same verdict for the same result, whatever came before. Never throws. */
  judge(result: AttemptResult): Verdict
}
