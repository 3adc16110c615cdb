import type { WireHeaders, WireRecord } from '../wire-record.ts'
import type { Envelope } from './envelope.ts'

/** What somebody reads the log for. */
export type RecordKind = 'trigger' | 'registration'

/** One thing that a record says, its data not yet checked. `skipped`: it is of the format, and asks nothing of the relay. */
export type Decoded =
  | Envelope
  | { readonly kind: 'skipped'; readonly reason: 'outcome' | 'unknown-type' }
  | { readonly kind: 'poison'; readonly reason: string }

/**
 * One input format, constructed with its configuration. Formats are asked in their order, and the first that answers
 * decides; one that is meant for some topics answers nothing for the records of others.
 *
 * Both answers go by the record and the configuration alone: a record is read again after years, and must say the same.
 */
export interface Decoder {
  /** Unique among the formats. */
  readonly name: string
  /**
   * What the record says, whose value is not empty: one thing, or a list of any number, in the record's order. `undefined`
   * where it is not of this format. `headers`: those of the record, read once for all formats. Where it throws, the record
   * is poison.
   */
  decode(record: WireRecord, headers: WireHeaders): Decoded | readonly Decoded[] | undefined
  /**
   * Whether the record may say something of that kind, or of any where none is named, without a look at its value: most of a
   * log is passed over by that.
   * `undefined` where it cannot be of this format, or where it may be and would say no such thing; false where it is surely of
   * this format, and surely says no such thing.
   */
  mayConcern(record: WireRecord, what?: RecordKind): boolean | undefined
}
