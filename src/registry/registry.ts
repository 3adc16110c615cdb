import type { Outcome } from '../events/outcome.ts'
import type { Registration } from '../events/registration.ts'
import type { TriggerOrigin } from '../events/trigger.ts'

/** What intake asks of the registry for one record. */
export type RegistryStep =
  | { readonly kind: 'register'; readonly registration: Registration; readonly origin: TriggerOrigin }
  | {
      readonly kind: 'end-session'
      readonly issuer: string
      readonly sessionId: string
      readonly origin: TriggerOrigin
    }
  | {
      readonly kind: 'end-user'
      readonly issuer: string
      readonly userId: string
      readonly origin: TriggerOrigin
      readonly occurredAtMs: number
      /** Registrations made later belong to a later login and are left alone. Milliseconds since the epoch. */
      readonly registeredUntilMs: number
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
       * Set when the session had ended before, or its user had signed out everywhere after it was made: the trigger
       * that said so. The registration is owed at once.
       */
      readonly endedBy?: TriggerOrigin
    }
  /** This registration was settled before; the record is a repetition and nothing was written. */
  | { readonly kind: 'already-settled' }
  /** The place of the session holds something of somebody else's; nothing was written. */
  | { readonly kind: 'refused' }
  | {
      readonly kind: 'owed'
      readonly registrations: readonly HeldRegistration[]
      readonly broken: readonly BrokenRegistration[]
    }

/** Names one registration. */
export type RegistrationKey = Pick<Registration, 'issuer' | 'sessionId' | 'oidcSessionId'> & {
  readonly userId?: string
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
  /** Removes registrations whose outcome is published, and remembers them as settled while the session's mark lasts. */
  settle(settled: readonly RegistrationKey[]): Promise<void>
  /**
   * Removes registrations of which the log says that they are settled, and remembers each that is not there yet: its
   * registration may stand in another partition and be read later.
   */
  forget(settled: readonly RegistrationKey[]): Promise<void>
  /**
   * The registrations that are still there, `undefined` for those that are settled. In the order of the keys. Throws
   * `LR_REGISTRY_LOST` as `apply` does: what is not found in a store that has fallen behind is not settled.
   */
  find(keys: readonly RegistrationKey[]): Promise<(HeldRegistration | BrokenRegistration | undefined)[]>
}
