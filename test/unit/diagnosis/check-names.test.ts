import { expect, test } from 'vitest'
import { atRunTime } from '../../../src/diagnosis/check.ts'
import { areas, checksOf } from '../../../src/diagnosis/check-names.ts'
import { clientChecks } from '../../../src/diagnosis/clients.ts'
import { processChecks } from '../../../src/diagnosis/configuration.ts'
import { feedChecks } from '../../../src/diagnosis/feed-files.ts'
import { issuerChecks } from '../../../src/diagnosis/issuer-checks.ts'
import { keyChecks } from '../../../src/diagnosis/keys.ts'
import { logChecks } from '../../../src/diagnosis/log-edges.ts'
import { redisChecks } from '../../../src/diagnosis/redis-server.ts'
import { topicChecks } from '../../../src/diagnosis/topics.ts'
import { sectionOf } from '../../support/pages.ts'
import { expectations } from './sample-facts.ts'

const all = areas.flatMap(checksOf)

test('every check belongs to one area', () => {
  expect(new Set(all).size).toBe(all.length)
})

test('a relay makes these checks at its start and while it runs', () => {
  const made = [
    redisChecks(expectations),
    topicChecks(expectations),
    logChecks,
    feedChecks(expectations),
    issuerChecks,
    keyChecks,
    clientChecks,
    processChecks,
  ].flatMap((checks) => atRunTime<never>(checks).map(({ name }) => name))
  expect([...new Set(made)].sort()).toEqual([
    'client-egress',
    'client-origin',
    'client-token-type',
    'intake-file',
    'issuer-discovery',
    'issuer-jwks',
    'issuer-known',
    'issuers-file',
    'key-published',
    'keys-file',
    'keys-left-out',
    'keys-permissions',
    'keys-signing',
    'mapping-file',
    'mapping-issuer',
    'mapping-topics',
    'mode',
    'node-version',
    'open-transaction',
    'option-misspelt',
    'outcome-topic',
    'positions-passed',
    'record-type',
    'records-refused',
    'redis-evicted',
    'redis-eviction',
    'redis-group',
    'redis-keys',
    'redis-persistence',
    'redis-shared-database',
    'redis-writable',
    'topic-compaction',
    'topic-missing',
    'topic-partitions',
    'topic-pattern',
    'topic-recreated',
    'topic-retention',
    'webhooks-published',
  ])
})

test('the runbook says of every check what it means and what to do, and of no other', () => {
  const section = sectionOf('docs/runbook.md', 'Findings')
  const rows = [...section.matchAll(/^\| `([\w-]+)` \| (.+) \| (.+) \|$/gm)]
  expect(rows.map(([, check]) => check).sort()).toEqual([...all].sort())
})
