import type { DecodeResult, Decoders } from '../events/decoding/decode-record.ts'
import type { RecordKind } from '../events/decoding/decoder.ts'
import type { TraceContext } from '../events/trace-context.ts'
import type { WireRecord } from '../events/wire-record.ts'
import type { RegistryStep } from '../registry/registry.ts'
import { triggerStep } from './trigger-step.ts'

/** What differs between the issuers of records; `undefined` for one that this relay does not know. */
export interface PipelineIssuers {
  get(issuer: string):
    | {
        readonly isEnabled: boolean
        /** What it means: every session of the user, or nothing. */
        readonly signedOutWithoutSession: 'fan-out' | 'ignore'
        readonly deadlineMs: number
      }
    | undefined
}

/**
 * Turns a record into a registry step, for every reader of the log: decodes it, checks its issuer and derives the step. So
 * all readers agree about each record.
 */
export class Pipeline {
  readonly decoders: Decoders
  readonly #issuers: PipelineIssuers

  constructor(decoders: Decoders, issuers: PipelineIssuers) {
    this.decoders = decoders
    this.#issuers = issuers
  }

  /** Whether the relay speaks for that issuer. */
  serves(issuer: string): boolean {
    return this.#issuers.get(issuer)?.isEnabled === true
  }

  /** How long its deliveries are tried. Milliseconds. */
  deadlineMs(issuer: string): number {
    return this.#issuers.get(issuer)?.deadlineMs ?? 0
  }

  /** Decodes a record that may be of the wanted kind and passes each result to `take`. `nowMs`: the time of reading. */
  read(record: WireRecord, what: RecordKind, nowMs: number, take: (result: DecodeResult) => void): void {
    if (!this.decoders.mayConcern(record, what)) return
    const results = this.decoders.decode(record, nowMs)
    if ('kind' in results) take(results)
    else for (const result of results) take(result)
  }

  /**
   * The registry step; `undefined` for another issuer or a result without effect. `sinceMs`: from when a trigger's deliveries
   * are tried, in milliseconds since the epoch. `context`: the trigger's span, if there is one.
   */
  step(decoded: DecodeResult, sinceMs = 0, context?: TraceContext): RegistryStep | undefined {
    return this.serves(issuerOf(decoded)) ? this.rebuildStep(decoded, sinceMs, context) : undefined
  }

  /**
   * The same for a store that is built anew: it holds the sessions of issuers that are not enabled too, and what is owed to
   * them, which waits until they are.
   */
  rebuildStep(decoded: DecodeResult, sinceMs = 0, context?: TraceContext): RegistryStep | undefined {
    const issuer = this.#issuers.get(issuerOf(decoded))
    if (issuer === undefined) return undefined
    if (decoded.kind === 'registration') {
      const { registration, origin } = decoded
      return { kind: 'register', registration, origin }
    }
    if (decoded.kind !== 'trigger') return undefined
    return triggerStep(decoded.trigger, issuer.signedOutWithoutSession, sinceMs + issuer.deadlineMs, context)
  }
}

/** Empty for what concerns no issuer. */
function issuerOf(decoded: DecodeResult): string {
  if (decoded.kind === 'trigger') return decoded.trigger.issuer
  return decoded.kind === 'registration' ? decoded.registration.issuer : ''
}
