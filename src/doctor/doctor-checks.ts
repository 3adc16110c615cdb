import { type CheckName, checkNames } from '../checks/check-names.ts'

/** What the doctor looks at beside the checks of the service, by area; the README explains each. */
export const ownChecks = {
  configuration: ['configuration'],
  kafka: [
    'kafka-reachable',
    'kafka-bootstrap',
    'kafka-broker',
    'topic-replication',
    'topic-message-size',
    'group-state',
    'group-members',
    'group-lag',
  ],
  redis: ['redis-reachable', 'redis-tls', 'redis-version', 'redis-latency', 'redis-memory', 'redis-epoch'],
  issuer: [
    'keys-file',
    'keys-permissions',
    'keys-signing',
    'issuer-discovery',
    'issuer-logout-support',
    'issuer-clock',
    'issuer-jwks',
    'key-published',
  ],
  'relying-party': [
    'rp-uri',
    'rp-settings',
    'rp-resolves',
    'rp-egress',
    'rp-connects',
    'rp-tls',
    'rp-certificate',
    'rp-answer',
  ],
} as const

export type Area = keyof typeof ownChecks
export type DoctorCheck = CheckName | (typeof ownChecks)[Area][number]

/** Every check of an area, those of the service included. */
export function checksOf(area: Area): readonly DoctorCheck[] {
  const prefix = area === 'kafka' ? 'topic-' : area === 'redis' ? 'redis-' : undefined
  const shared = prefix === undefined ? [] : checkNames.filter((name) => name.startsWith(prefix))
  return [...ownChecks[area], ...shared]
}
