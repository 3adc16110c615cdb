import { ClientStates } from '../delivery/client-states.ts'
import type { DecodeResult, Decoders } from '../events/decoding/decode-record.ts'
import type { RecordKind } from '../events/decoding/decoder.ts'
import type { KnownType } from '../events/decoding/known-types.ts'
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
  /** Which clients are retired. Learns from the records that it turns into steps. */
  readonly clients: ClientStates
  readonly #issuers: PipelineIssuers

  constructor(decoders: Decoders, issuers: PipelineIssuers, clients = new ClientStates()) {
    this.decoders = decoders
    this.clients = clients
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

  /** Decodes a record that may be of a wanted kind and passes each result to `take`. `nowMs`: the time of reading. */
  read(
    record: WireRecord,
    what: RecordKind | readonly RecordKind[],
    nowMs: number,
    take: (result: DecodeResult) => void,
  ): void {
    const { decoders } = this
    const mayConcern =
      typeof what === 'string'
        ? decoders.mayConcern(record, what)
        : what.some((kind) => decoders.mayConcern(record, kind))
    if (!mayConcern) return
    const results = this.decoders.decode(record, nowMs)
    if ('kind' in results) take(results)
    else for (const result of results) take(result)
  }

  /**
   * The registry step; `undefined` for another issuer, a registration of a retired client or a result without effect. `sinceMs`: from when a trigger's deliveries
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
      if (this.clients.refuses(registration)) return undefined
      return { kind: 'register', registration, origin }
    }
    if (decoded.kind === 'client') {
      const { change, origin } = decoded
      this.clients.note(change)
      return { kind: 'configure-client', change, origin }
    }
    if (decoded.kind !== 'trigger') return undefined
    return triggerStep(decoded.trigger, issuer.signedOutWithoutSession, sinceMs + issuer.deadlineMs, context)
  }
}

/** Empty for what concerns no issuer. */
export function issuerOf(decoded: DecodeResult): string {
  switch (decoded.kind) {
    case 'trigger':
      return decoded.trigger.issuer
    case 'registration':
      return decoded.registration.issuer
    case 'client':
      return decoded.change.issuer
    default:
      return ''
  }
}

/** The type of its record. */
export function typeOf(
  decoded: Extract<DecodeResult, { kind: 'trigger' | 'registration' | 'client' }>,
): KnownType {
  if (decoded.kind === 'trigger') return decoded.trigger.type
  return decoded.kind === 'client' ? decoded.change.type : 'backchannel-logout-registered'
}
