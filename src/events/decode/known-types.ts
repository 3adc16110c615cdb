/** The record types that intake acts on; every other type is skipped and counted. */
export const knownTypes = ['session-terminated', 'user-signed-out', 'backchannel-logout-registered'] as const
export type KnownType = (typeof knownTypes)[number]

export function isKnownType(type: string): type is KnownType {
  return (knownTypes as readonly string[]).includes(type)
}
