import type { DecodeResult, Decoders } from '../events/decoding/decode-record.ts'
import type { RecordKind } from '../events/decoding/decoder.ts'
import type { TraceContext } from '../events/trace-context.ts'
import type { WireRecord } from '../events/wire-record.ts'
import type { RegistryStep } from '../registry/registry.ts'
import { triggerStep } from './trigger-step.ts'

/**
 * The one way from a record to what it asks of the registry, for whoever reads the log: its formats are asked, then whose
 * issuer it is, then what is to be done. What one reader takes for a trigger or a registration, all do.
 */
export class Pipeline {
  readonly decoders: Decoders
  /** Whether the relay speaks for that issuer. */
  readonly serves: (issuer: string) => boolean
  readonly #signedOutWithoutSession: 'fan-out' | 'ignore'

  /** `signedOutWithoutSession`: what it means, every session of the user or nothing. */
  constructor(
    decoders: Decoders,
    serves: (issuer: string) => boolean,
    signedOutWithoutSession: 'fan-out' | 'ignore',
  ) {
    this.decoders = decoders
    this.serves = serves
    this.#signedOutWithoutSession = signedOutWithoutSession
  }

  /** Hands over all that a record says, where it may say something of that kind. `nowMs`: the moment of reading. */
  read(record: WireRecord, what: RecordKind, nowMs: number, take: (result: DecodeResult) => void): void {
    if (!this.decoders.mayConcern(record, what)) return
    const results = this.decoders.decode(record, nowMs)
    if ('kind' in results) take(results)
    else for (const result of results) take(result)
  }

  /**
   * What the registry is to do; `undefined` where that is nothing: it is another issuer's, or has no effect. `deadlineMs`:
   * until then the deliveries of a trigger are tried, in milliseconds since the epoch. `context`: the span that was begun for
   * it, where there is one.
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
