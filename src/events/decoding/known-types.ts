import { printable } from '../../lib/printable.ts'
import { isOutcomeType } from '../outcome.ts'
import type { Decoded } from './decoder.ts'

/** The record types that intake processes. It skips and counts all others. */
export const knownTypes = ['session-terminated', 'user-signed-out', 'backchannel-logout-registered'] as const
export type KnownType = (typeof knownTypes)[number]

export function isKnownType(type: string): type is KnownType {
  return (knownTypes as readonly string[]).includes(type)
}

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
