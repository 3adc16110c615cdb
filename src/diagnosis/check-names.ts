/** Every check, by area and in the order in which `doctor` tells them; docs/runbook.md explains each. */
const checksByArea = {
  configuration: ['configuration', 'mapping-file', 'intake-file', 'mode', 'option-misspelt', 'node-version'],
  kafka: [
    'kafka-reachable',
    'kafka-tls',
    'kafka-bootstrap',
    'kafka-broker',
    'topic-missing',
    'topic-pattern',
    'topic-partitions',
    'topic-replication',
    'topic-retention',
    'topic-compaction',
    'outcome-topic',
    'topic-message-size',
    'group-state',
    'group-members',
    'group-lag',
    'topic-recreated',
    'positions-passed',
    'open-transaction',
    'records-refused',
    'record-type',
    'mapping-rules',
    'mapping-topics',
    'mapping-issuer',
    'schema-registry',
    'webhooks-published',
  ],
  redis: [
    'redis-reachable',
    'redis-tls',
    'redis-version',
    'redis-latency',
    'redis-writable',
    'redis-memory',
    'redis-eviction',
    'redis-evicted',
    'redis-persistence',
    'redis-epoch',
    'redis-group',
    'redis-keys',
    'redis-shared-database',
  ],
  issuer: [
    'issuers-file',
    'keys-file',
    'keys-left-out',
    'keys-permissions',
    'keys-signing',
    'issuer-discovery',
    'issuer-known',
    'issuer-logout-support',
    'issuer-clock',
    'issuer-jwks',
    'key-published',
  ],
  'relying-party': [
    'rp-uri',
    'rp-settings',
    'client-origin',
    'client-egress',
    'client-token-type',
    'rp-resolves',
    'rp-egress',
    'rp-connects',
    'rp-tls',
    'rp-certificate',
    'rp-answer',
  ],
} as const

export type Area = keyof typeof checksByArea
export type CheckName = (typeof checksByArea)[Area][number]

export const areas = Object.keys(checksByArea) as readonly Area[]

export function checksOf(area: Area): readonly CheckName[] {
  return checksByArea[area]
}

export function areaOf(check: CheckName): Area {
  return areas.find((area) => checksOf(area).includes(check)) as Area
}
