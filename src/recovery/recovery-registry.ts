import type { Registration } from '../events/registration.ts'
import type { TriggerStep } from '../intake/trigger-step.ts'
import type { OwedGroup } from '../registry/ending.ts'
import type { RegistrationKey } from '../registry/registry.ts'

/** What replay and reconcile need from the registry. Every method throws when it cannot be reached. */
export interface RecoveryRegistry {
  /** What the triggers are still owed, in the order of the steps. Read-only. Throws `LR_REGISTRY_LOST`. */
  owed(steps: readonly TriggerStep[]): Promise<OwedGroup[][]>
  /**
   * Makes settled registrations owed again, to be parked. Resolves with their deadlines: an already reopened one keeps its
   * first, so that it has no second delivery. Milliseconds since the epoch. Idempotent.
   */
  reopen(
    failed: readonly { readonly registration: Registration; readonly deadlineMs: number }[],
  ): Promise<number[]>
  /** Passes the key of every registration to `take`, in parts. Registrations that come or go meanwhile may be missing. */
  all(take: (keys: readonly RegistrationKey[]) => Promise<void>, signal: AbortSignal): Promise<void>
}
