import type { DecodeResult } from '../events/decoding/decode-record.ts'
import type { KnownType } from '../events/decoding/known-types.ts'
import type { WireRecord } from '../events/wire-record.ts'

export type IntakeResult =
  | 'accepted'
  | 'nothing-owed'
  | 'ignored'
  | 'late-registration'
  | 'already-settled'
  | 'refused'
  | 'unknown-issuer'
  /** A registration of a retired client. */
  | 'retired'

/** What intake reports. Each event becomes a counter and, where it matters, a log line. */
export interface IntakeEvents {
  /** A trigger, a registration or the configuration of a client was read. `owed` is the number of its deliveries. */
  accepted(
    decoded: Extract<DecodeResult, { kind: 'trigger' | 'registration' | 'client' }>,
    result: IntakeResult,
    owed: number,
  ): void
  /** Cheap: most records of a shared topic may be skipped. */
  skipped(reason: Extract<DecodeResult, { kind: 'skipped' }>['reason']): void
  poisoned(record: WireRecord, type: KnownType | 'unknown', reason: string): void
  commitFailed(error: unknown): void
}
