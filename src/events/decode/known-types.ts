/** The record types that intake acts on; every other type is skipped and counted. */
export const knownTypes = ['session-terminated', 'user-signed-out', 'backchannel-logout-registered'] as const
const triggerTypes: readonly string[] = ['session-terminated', 'user-signed-out']
export type KnownType = (typeof knownTypes)[number]

export function isKnownType(type: string): type is KnownType {
  return (knownTypes as readonly string[]).includes(type)
}

/** By the `ce_type` header alone; false only for a record that is surely no trigger. */
export function mayBeTrigger(type: string | undefined): boolean {
  return type === undefined || triggerTypes.includes(type)
}

/** By the `ce_type` header alone; false only for a record that is surely no registration. */
export function mayBeRegistration(type: string | undefined): boolean {
  return type === undefined || type === 'backchannel-logout-registered'
}
