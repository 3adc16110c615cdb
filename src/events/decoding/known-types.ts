import { isOutcomeType } from '../outcome.ts'
import type { Decoded, RecordKind } from './decoder.ts'

/** The record types that intake processes. It skips and counts all others. */
export const knownTypes = ['session-terminated', 'user-signed-out', 'backchannel-logout-registered'] as const
export type KnownType = (typeof knownTypes)[number]

export function isKnownType(type: string): type is KnownType {
  return (knownTypes as readonly string[]).includes(type)
}

export function kindOf(type: KnownType): RecordKind {
  return type === 'backchannel-logout-registered' ? 'registration' : 'trigger'
}

const outcome: Decoded = { kind: 'skipped', reason: 'outcome' }

/** The result for a type that is not read: `skipped` for an outcome, else `undefined`, since another format may know it. */
export function unread(type: string): Decoded | undefined {
  return isOutcomeType(type) ? outcome : undefined
}
