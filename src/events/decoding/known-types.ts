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

const outcome: Decoded = { kind: 'skipped', reason: 'outcome' }

/** The result for a type that is not read: `skipped` for an outcome, else `undefined`, since another format may know it. */
export function unread(type: string): Decoded | undefined {
  return isOutcomeType(type) ? outcome : undefined
}
