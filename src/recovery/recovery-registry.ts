import type { Registration } from '../events/registration.ts'
import type { TriggerStep } from '../intake/trigger-step.ts'
import type { OwedGroup } from '../registry/ending.ts'
import type { RegistrationKey } from '../registry/registry.ts'

/** What replay and reconcile need of the registry beside its daily work. Every method throws when it cannot be reached. */
export interface RecoveryRegistry {
  /** What the triggers are still owed, in the order of the steps. Writes nothing. Throws `LR_REGISTRY_LOST`. */
  owed(steps: readonly TriggerStep[]): Promise<OwedGroup[][]>
  /**
   * Makes settled registrations owed once more, so that they can be parked until the deadlines with which it resolves: of
   * one that is owed once more already it is the first, so that there are no two deliveries for it. Milliseconds since the
   * epoch. Idempotent.
   */
  reopen(
    failed: readonly { readonly registration: Registration; readonly deadlineMs: number }[],
  ): Promise<number[]>
  /** Names every registration that there is, in parts; one that comes or goes meanwhile may be among them or not. */
  all(take: (keys: readonly RegistrationKey[]) => Promise<void>, signal: AbortSignal): Promise<void>
}
