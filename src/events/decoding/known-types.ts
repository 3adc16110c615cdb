import { isOutcomeType } from '../outcome.ts'
import type { Decoded } from './decoder.ts'

/** The record types that intake acts on; every other type is skipped and counted. */
export const knownTypes = ['session-terminated', 'user-signed-out', 'backchannel-logout-registered'] as const
export type KnownType = (typeof knownTypes)[number]

export function isKnownType(type: string): type is KnownType {
  return (knownTypes as readonly string[]).includes(type)
}

const outcome: Decoded = { kind: 'skipped', reason: 'outcome' }

/** What a format of our own words answers for a type that is not to be read: another format may know it. */
export function unread(type: string): Decoded | undefined {
  return isOutcomeType(type) ? outcome : undefined
}
