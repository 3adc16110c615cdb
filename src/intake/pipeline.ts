import type { DecodeResult, Decoders } from '../events/decoding/decode-record.ts'
import type { RecordKind } from '../events/decoding/decoder.ts'
import type { TraceContext } from '../events/trace-context.ts'
import type { WireRecord } from '../events/wire-record.ts'
import type { RegistryStep } from '../registry/registry.ts'
import { triggerStep } from './trigger-step.ts'

/**
 * Turns a record into a registry step, for every reader of the log: decodes it, checks its issuer and derives the step. So
 * all readers agree about each record.
 */
export class Pipeline {
  readonly decoders: Decoders
  /** Whether the relay serves that issuer. */
  readonly serves: (issuer: string) => boolean
  readonly #signedOutWithoutSession: 'fan-out' | 'ignore'

  /** `signedOutWithoutSession`: whether it ends every session of the user or none. */
  constructor(
    decoders: Decoders,
    serves: (issuer: string) => boolean,
    signedOutWithoutSession: 'fan-out' | 'ignore',
  ) {
    this.decoders = decoders
    this.serves = serves
    this.#signedOutWithoutSession = signedOutWithoutSession
  }

  /** Decodes a record that may be of the wanted kind and passes each result to `take`. `nowMs`: the time of reading. */
  read(record: WireRecord, what: RecordKind, nowMs: number, take: (result: DecodeResult) => void): void {
    if (!this.decoders.mayConcern(record, what)) return
    const results = this.decoders.decode(record, nowMs)
    if ('kind' in results) take(results)
    else for (const result of results) take(result)
  }

  /**
   * The registry step; `undefined` for another issuer or a result without effect. `deadlineMs`: when a trigger's deliveries
   * expire, in milliseconds since the epoch. `context`: the trigger's span, if there is one.
   */
  step(decoded: DecodeResult, deadlineMs = 0, context?: TraceContext): RegistryStep | undefined {
    if (decoded.kind === 'registration') {
      const { registration, origin } = decoded
      return this.serves(registration.issuer) ? { kind: 'register', registration, origin } : undefined
    }
    if (decoded.kind !== 'trigger' || !this.serves(decoded.trigger.issuer)) return undefined
    return triggerStep(decoded.trigger, this.#signedOutWithoutSession, deadlineMs, context)
  }
}
