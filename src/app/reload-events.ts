import type { CheckedPart } from '../diagnosis/checkup.ts'
import type { IssuersEvents } from '../issuers/issuers.ts'
import type { Log } from '../telemetry/log.ts'
import type { RelayEvents } from '../telemetry/relay-events.ts'
import type { MappingEvents } from './record-mapping.ts'

export interface ReloadEventsOptions {
  readonly events: Pick<RelayEvents, 'fault'>
  readonly hurry: (part: CheckedPart) => void
  readonly logger: Log['logger']
}

/** What is told, and looked at again, when a file is read anew that the relay watches. */
export function reloadEvents({ events, hurry, logger }: ReloadEventsOptions): IssuersEvents & MappingEvents {
  const reloaded = (text: string, about: object, parts: readonly CheckedPart[]): void => {
    logger.info(about, text)
    for (const part of parts) hurry(part)
  }
  const refused = (fault: string, error: unknown, failures: number, parts: readonly CheckedPart[]): void => {
    events.fault(fault, error, failures)
    if (failures === 1) for (const part of parts) hurry(part)
  }
  return {
    onReloaded: (kids) => reloaded('signing keys reloaded', { kids }, ['keys', 'issuer']),
    onReloadFailed: (error, failures) => refused('signing-keys', error, failures, ['keys', 'issuer']),
    onIssuersReloaded: (count) => reloaded('issuers reloaded', { count }, ['keys', 'issuer', 'feed']),
    onIssuersRefused: (error, failures) => refused('issuers', error, failures, ['keys', 'issuer']),
    onMappingReloaded: (count) => reloaded('mappings reloaded', { count }, ['process', 'feed']),
    onMappingRefused: (error, failures) => refused('mapping-file', error, failures, ['process']),
  }
}
