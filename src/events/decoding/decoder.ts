import type { WireHeaders, WireRecord } from '../wire-record.ts'
import type { Envelope, JsonResult } from './envelope.ts'

/** The kind of records that a reader of the log wants. */
export type RecordKind = 'trigger' | 'registration' | 'client'

/**
 * Why a record in a known format has no effect. `snapshot`: it tells what a table held. `unmapped`: no rule takes it. `dead-letter`: some
 * relay could not read it, and what reads it again makes a further one.
 */
export type FormatSkip = 'outcome' | 'dead-letter' | 'unknown-type' | 'snapshot' | 'unmapped'

/**
 * One result of a record; its data are not validated yet. `skipped`: it has this format but no effect for the relay. With an
 * unknown type the formats after it are asked as well, and `type` says which it is: cut, and printable.
 */
export type Decoded =
  | Envelope
  | { readonly kind: 'skipped'; readonly reason: Exclude<FormatSkip, 'unknown-type'>; readonly rule?: string }
  | { readonly kind: 'skipped'; readonly reason: 'unknown-type'; readonly type?: string }
  | { readonly kind: 'poison'; readonly reason: string; readonly rule?: string }

/**
 * One input format, constructed with its configuration. Formats are tried in order, and the first result counts. A format for
 * certain topics returns `undefined` for others.
 *
 * Both methods depend only on the record and the configuration: a record may be read again years later, with the same result.
 */
export interface Decoder {
  /** Unique among the formats. */
  readonly name: string
  /**
   * Decodes a record with a non-empty value: one result, or any number in the record's order. `undefined` if it has another
   * format. `headers`: parsed once for all formats. `content`: the value as JSON, also parsed once, whatever it was serialized
   * with. A record on which it throws is poison.
   */
  decode(
    record: WireRecord,
    headers: WireHeaders,
    content: () => JsonResult,
  ): Decoded | readonly Decoded[] | undefined
  /**
   * Whether the record may be of that kind (any kind if omitted), without reading its value: most of a log is skipped this
   * way. False if the record certainly has this format and is of another kind. `undefined` if it has another format, or if
   * its format is uncertain and in this format it would be of another kind.
   */
  mayConcern(record: WireRecord, what?: RecordKind): boolean | undefined
}
