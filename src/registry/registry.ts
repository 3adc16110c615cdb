import type { ClientChange } from '../events/client.ts'
import type { Outcome, SettledByLog } from '../events/outcome.ts'
import type { Registration } from '../events/registration.ts'
import type { TriggerOrigin } from '../events/trigger.ts'
import type { Ending, OwedGroup } from './ending.ts'

/** What intake asks the registry for one record. */
export type RegistryStep =
  | { readonly kind: 'register'; readonly registration: Registration; readonly origin: TriggerOrigin }
  | {
      readonly kind: 'end-session'
      readonly issuer: string
      readonly sessionId: string
      /** The session's user, if the trigger names one. The session does not end if all its registrations belong to others. */
      readonly userId?: string
      readonly ending: Ending
    }
  | {
      readonly kind: 'end-user'
      readonly issuer: string
      readonly userId: string
      readonly ending: Ending
    }
  /** Of two changes of one client the later one counts, in whatever order they are carried out. */
  | { readonly kind: 'configure-client'; readonly change: ClientChange; readonly origin: TriggerOrigin }

/**
 * A decided outcome that is not on the topic yet because Kafka is not accepting it. Whoever finds it publishes it, and does
 * not call the RP again.
 */
export interface PendingOutcome {
  readonly outcome: Outcome
  /** The trigger of the delivery. */
  readonly origin: TriggerOrigin
  /** Milliseconds since the epoch. */
  readonly occurredAtMs: number
  readonly traceparent?: string
  readonly tracestate?: string
}

/** A registration as the store holds it. */
export interface HeldRegistration extends Registration {
  readonly pendingOutcome?: PendingOutcome
  /** It was settled in shadow mode. It stays for whoever else reads it, and is not owed. */
  readonly isShadowed?: true
  /** When it was made owed again after a failure. Earlier outcomes do not settle it. Milliseconds since the epoch. */
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
       * Set when an ending of its session, or of all sessions of its user, was read before the registration and covers it.
       * The delivery is owed at once.
       */
      readonly endedBy?: Ending
      /** The registration was already there, so its delivery may be under way. */
      readonly isRepeated?: boolean
    }
  /** Settings of a client whose key holds foreign data are left out. */
  | { readonly kind: 'configured' }
  /** It was settled before, or a later registration has its key. Nothing was written. */
  | { readonly kind: 'already-settled' }
  /** It cannot be stored because the session's key holds foreign data. Nothing was written. */
  | { readonly kind: 'refused'; readonly reason: string }
  | OwedAnswer

/** What a trigger, or a part of it, is owed. */
export interface OwedAnswer {
  readonly kind: 'owed'
  readonly groups: readonly OwedGroup[]
  /** Why some or all of it could not be read. */
  readonly refused?: string
  /** Ends and reads the next part, if there is one. May be called again after it threw. */
  readonly next?: () => Promise<OwedAnswer>
}

/** All parts, beginning with `answer`. Each is requested when the previous one is done. */
export async function* partsOf(answer: OwedAnswer): AsyncGenerator<OwedAnswer> {
  for (let part: OwedAnswer | undefined = answer; part !== undefined; part = await part.next?.()) yield part
}

/** Identifies one registration. */
export type RegistrationKey = Pick<Registration, 'issuer' | 'sessionId' | 'oidcSessionId'> & {
  readonly userId?: string
  /** Tells apart registrations with the same ids. Milliseconds since the epoch. */
  readonly registeredAtMs?: number
}

/**
 * Which RPs must be told when a session ends. What the registry holds is owed; what was settled is removed.
 *
 * Every method is idempotent, so a repeated record has no second effect. Every method throws when the store cannot be
 * reached; any part of the work may be done then.
 */
export interface Registry {
  /**
   * Carries out the steps in order and answers each. A step sees the effects of all earlier ones. One atomic step marks a
   * session as ended and reads its registrations, so each registration is either read or finds the mark. A user who signs out
   * everywhere is marked first, for the same reason.
   *
   * Throws `LR_REGISTRY_LOST` when the store does not hold what the log says. No answer counts then.
   */
  apply(steps: readonly RegistryStep[]): Promise<RegistryAnswer[]>
  /** Writes a decided outcome to its registration, if it still exists and has none yet. */
  notePending(
    decided: readonly (RegistrationKey & { readonly pendingOutcome: PendingOutcome })[],
  ): Promise<void>
  /**
   * Removes registrations whose outcome is published. Remembers them as settled as long as the session's mark lasts. Keeps a
   * registration that was made later under the same ids.
   */
  settle(settled: readonly RegistrationKey[]): Promise<void>
  /**
   * Removes registrations that are settled according to the log. Remembers those that may still arrive, from another
   * partition or a second time: those of recent outcomes, or all. Keeps a registration that was made later or reopened since.
   */
  forget(settled: readonly SettledByLog[], mayAllComeAgain?: boolean): Promise<void>
  /**
   * Registrations in the order of the keys; `undefined` if settled. Throws `LR_REGISTRY_LOST` as `apply` does: in a store
   * that has fallen behind a missing registration is not settled.
   */
  find(keys: readonly RegistrationKey[]): Promise<(HeldRegistration | BrokenRegistration | undefined)[]>
  /**
   * Whether each missing registration is remembered as settled. Throws `LR_REGISTRY_LOST` when the store does not hold what
   * the log says.
   */
  areSettled(keys: readonly RegistrationKey[]): Promise<boolean[]>
}
