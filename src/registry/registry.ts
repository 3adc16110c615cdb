import type { Outcome, SettledByLog } from '../events/outcome.ts'
import type { Registration } from '../events/registration.ts'
import type { TriggerOrigin } from '../events/trigger.ts'
import type { Ending, OwedGroup } from './ending.ts'

/** What intake asks of the registry for one record. */
export type RegistryStep =
  | { readonly kind: 'register'; readonly registration: Registration; readonly origin: TriggerOrigin }
  | {
      readonly kind: 'end-session'
      readonly issuer: string
      readonly sessionId: string
      /** Whose session it is, where the trigger says so: one whose registrations are all of others does not end. */
      readonly userId?: string
      readonly ending: Ending
    }
  | {
      readonly kind: 'end-user'
      readonly issuer: string
      readonly userId: string
      readonly ending: Ending
    }

/**
 * The end of a delivery that is not on the topic yet, because Kafka does not take it now. Whoever finds it publishes it,
 * and does not tell the RP once more.
 */
export interface PendingOutcome {
  readonly outcome: Outcome
  /** The trigger by which it was owed. */
  readonly origin: TriggerOrigin
  /** Milliseconds since the epoch. */
  readonly occurredAtMs: number
  readonly traceparent?: string
  readonly tracestate?: string
}

/** A registration as the store holds it. */
export interface HeldRegistration extends Registration {
  readonly pendingOutcome?: PendingOutcome
  /** It had failed and was made owed once more: no outcome from before that settles it. Milliseconds since the epoch. */
  readonly reopenedAtMs?: number
}

/** A field of a session's hash that is not a registration; the identity provider may write there itself. */
export interface BrokenRegistration {
  readonly issuer: string
  readonly sessionId: string
  readonly oidcSessionId: string
  readonly reason: string
  readonly partial: Partial<Registration>
}

export type RegistryAnswer =
  | {
      readonly kind: 'registered'
      /**
       * Set when the registration belongs to an ending of its session, or of all sessions of its user, that was read
       * before it. It is owed at once.
       */
      readonly endedBy?: Ending
      /** It stood there already, so that its delivery may be under way. */
      readonly isRepeated?: boolean
    }
  /** It was settled before, or a later one stands under its name; the record is an old one and nothing was written. */
  | { readonly kind: 'already-settled' }
  /** It cannot be kept, as the place of the session holds something of somebody else's; nothing was written. */
  | { readonly kind: 'refused'; readonly reason: string }
  | OwedAnswer

/** What is owed by a trigger, or a part of it. */
export interface OwedAnswer {
  readonly kind: 'owed'
  readonly groups: readonly OwedGroup[]
  /** Why some or all of it could not be found out. */
  readonly refused?: string
  /** Ends and reads what comes next, where it is more than one part. May be called again when it threw. */
  readonly next?: () => Promise<OwedAnswer>
}

/** All parts, the one at hand first; each is asked for when the one before it is done with. */
export async function* partsOf(answer: OwedAnswer): AsyncGenerator<OwedAnswer> {
  for (let part: OwedAnswer | undefined = answer; part !== undefined; part = await part.next?.()) yield part
}

/** Names one registration. */
export type RegistrationKey = Pick<Registration, 'issuer' | 'sessionId' | 'oidcSessionId'> & {
  readonly userId?: string
  /** Of several that had the name, the one that was made then. Milliseconds since the epoch. */
  readonly registeredAtMs?: number
}

/**
 * Who must be told when a session ends. What the registry holds is owed; what was settled is gone from it.
 *
 * Every method is idempotent, so that a record which comes again has no second effect, and throws when the store
 * cannot be reached, in which case any part of the work may have been done.
 */
export interface Registry {
  /**
   * Throws `LR_REGISTRY_LOST` when the store does not hold what the log says; nothing of the answers counts then.
   *
   * Carries out the steps in the order given and answers each. A step sees the effect of every earlier one. A session that ends is
   * marked as ended in the same atomic step that reads its registrations, so that a registration is either read
   * here or finds the mark; a user who signs out everywhere is marked first, for the same end.
   */
  apply(steps: readonly RegistryStep[]): Promise<RegistryAnswer[]>
  /** Writes a decided outcome to its registration, if that is still there and has none yet. */
  notePending(
    decided: readonly (RegistrationKey & { readonly pendingOutcome: PendingOutcome })[],
  ): Promise<void>
  /**
   * Removes registrations whose outcome is published, and remembers them as settled while the session's mark lasts. One
   * that has been made later under the same name stays.
   */
  settle(settled: readonly RegistrationKey[]): Promise<void>
  /**
   * Removes registrations of which the log says that they are settled, and remembers each that may still come: its
   * registration may stand in another partition and be read later, or come twice. One that was made later stays, and so does
   * one that was reopened since.
   */
  forget(settled: readonly SettledByLog[]): Promise<void>
  /**
   * The registrations that are still there, `undefined` for those that are settled. In the order of the keys. Throws
   * `LR_REGISTRY_LOST` as `apply` does: what is not found in a store that has fallen behind is not settled.
   */
  find(keys: readonly RegistrationKey[]): Promise<(HeldRegistration | BrokenRegistration | undefined)[]>
  /**
   * Whether each is remembered as settled, of those that are not there any more. Throws `LR_REGISTRY_LOST` when the store
   * does not hold what the log says.
   */
  areSettled(keys: readonly RegistrationKey[]): Promise<boolean[]>
}
