import { printable } from '../../lib/printable.ts'
import { isOutcomeType } from '../outcome.ts'
import type { Decoded, RecordKind } from './decoder.ts'

/** The record types that intake processes, and what each is about. It skips and counts all others. */
const kinds = {
  'session-terminated': 'trigger',
  'user-signed-out': 'trigger',
  'backchannel-logout-registered': 'registration',
  'client-configured': 'client',
  'client-removed': 'client',
} as const satisfies Readonly<Record<string, RecordKind>>

export type KnownType = keyof typeof kinds
export const knownTypes = Object.keys(kinds) as readonly KnownType[]

export function kindOf(type: KnownType): RecordKind {
  return kinds[type]
}

export function isKnownType(type: string): type is KnownType {
  return Object.hasOwn(kinds, type)
}

/** What a table held, or what has happened to a row since it was written. */
export const OLD_NEWS: Decoded = { kind: 'skipped', reason: 'snapshot' }

const outcome: Decoded = { kind: 'skipped', reason: 'outcome' }

const TYPE_CHARACTERS_MAX = 100
/** A topic with more types than that is rare, and their results are made anew then. */
const REMEMBERED_MAX = 100
const remembered = new Map<string, Decoded>()

/** The result for a type that is not read: an outcome, or one that another format may know. */
export function unread(type: string): Decoded {
  if (isOutcomeType(type)) return outcome
  const known = remembered.get(type)
  if (known !== undefined) return known
  const shown = printable(type.slice(0, TYPE_CHARACTERS_MAX))
  const found: Decoded = { kind: 'skipped', reason: 'unknown-type', type: shown }
  // A long one may be another each time.
  if (type.length <= TYPE_CHARACTERS_MAX && remembered.size < REMEMBERED_MAX) remembered.set(type, found)
  return found
}
