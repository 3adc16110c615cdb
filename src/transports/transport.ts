import type { AttemptMessage, AttemptResult } from '../egress/sender.ts'
import type { Outcome, OutcomeType } from '../events/outcome.ts'
import type { Registration, SubjectClaims } from '../events/registration.ts'
import type { RpName, RpSettings } from '../registry/rp-settings.ts'

/**
 * What an attempt's result means for the delivery.
 * - `sent`: the RP accepted the message. Only for an answer, as the next two.
 * - `doubtful`: RPs give this answer while a cache is cold or a deployment is unfinished, and also as a rejection.
 * - `rejected`: the RP will not accept this delivery.
 * - `retry`: the fault may be temporary.
 * - `blocked`: the egress guard refused the address. Only for that.
 * - `local`: nothing was sent for lack of a local resource, which says nothing about the RP. Never for an answer.
 */
export type Verdict = 'sent' | 'doubtful' | 'retry' | 'rejected' | 'blocked' | 'local'

/** The part of a delivery that a transport reads. */
export interface DeliveryContent {
  readonly rp: RpName & {
    readonly settings: RpSettings
    /** Of its issuer, where neither its settings nor a registration name any. */
    readonly defaultClaims?: SubjectClaims | undefined
  }
  readonly registration: Registration
  /** Further registrations that the same message settles. */
  readonly coalesced: readonly Registration[]
  /** `occurredAtMs`: when the session ended. Milliseconds since the epoch. */
  readonly cause: { readonly occurredAtMs: number }
}

export interface PreparedRequest extends AttemptMessage {
  readonly kind: 'request'
  /** The id of the token in the body. Log and outcome identify the attempt by it. */
  readonly jti: string
}

export type Prepared =
  | PreparedRequest
  /** No request is possible because of the registration or a missing key. `message` contains no key or token. */
  | { readonly kind: 'invalid'; readonly message: string }
  /** What signs cannot do so now; later it may. Holds nothing of a key or a token. */
  | { readonly kind: 'unready'; readonly message: string }

/**
 * Turns a delivery into a request and judges the answer. The core does waiting, retries, breaker, backlog and outcomes for
 * every transport.
 */
export interface Transport {
  /** A unique name. */
  readonly kind: string
  /** The `ce_type` of its outcomes. */
  readonly outcomeTypes: Readonly<Record<Outcome['kind'], OutcomeType>>
  /**
   * Called once per attempt, with the time in milliseconds since the epoch. `done` is called exactly once, perhaps before
   * this returns. Never throws.
   */
  prepare(delivery: DeliveryContent, nowMs: number, done: (prepared: Prepared) => void): void
  /** The same verdict for the same result, whatever came before. Never throws. */
  judge(result: AttemptResult): Verdict
}
