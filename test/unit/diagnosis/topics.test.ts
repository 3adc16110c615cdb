import { describe, expect, test } from 'vitest'
import {
  checkCompaction,
  checkMissing,
  checkOutcomeTopic,
  checkPartitions,
  checkRetention,
  topicChecks,
} from '../../../src/diagnosis/topics.ts'
import { expectations, topicFacts, troubles, unread } from './sample-facts.ts'

describe('a topic that is missing', () => {
  test('one that is there is fine', () => {
    expect(troubles(checkMissing(topicFacts(), expectations))).toEqual([])
  })

  test('an input topic: an error that says how to create it', () => {
    const [finding] = troubles(checkMissing(topicFacts({ partitions: 0 }), expectations))
    expect(finding).toMatchObject({ about: 'session-events', severity: 'error' })
    expect(finding?.text).toBe('the input and outcome topic session-events does not exist')
    expect(finding?.remedy).toContain(
      'kafka-topics.sh --bootstrap-server kafka-1:9092,kafka-2:9092 --create --topic session-events --partitions 12 --config retention.ms=2592000000',
    )
  })

  test('created by that command it is well: its records are kept as long as they may be needed', () => {
    const lifetimes = { ...expectations, retryDeadlineMs: 40 * 86_400_000 }
    const remedy = checkMissing(topicFacts({ partitions: 0 }), lifetimes).remedy ?? ''
    const setting = (name: string) => new RegExp(`--config ${name}=(\\S+)`).exec(remedy)?.[1] ?? ''
    const made = topicFacts(
      {},
      { retentionMs: Number(setting('retention.ms')), cleanupPolicies: [setting('cleanup.policy')] },
    )
    expect(troubles(checkRetention(made, lifetimes), checkCompaction(made))).toEqual([])
  })

  test('a topic that the relay creates itself', () => {
    const [finding] = troubles(
      checkMissing(topicFacts({ partitions: 0, roles: ['dead-letter'] }), expectations),
    )
    expect(finding?.remedy).toContain('restart the relay')
  })
})

describe('a pattern', () => {
  const found = (pattern: { matches: number; left: number }) => {
    const facts = topicFacts({ topic: 'kc.*', partitions: 0, roles: ['input'], pattern })
    const make = (it: (typeof all)[number]) => it.find([facts]).map((found) => ({ check: it.name, ...found }))
    const all = topicChecks(expectations)
    return troubles(all.flatMap(make))
  }

  test('that brings topics is fine', () => {
    expect(found({ matches: 3, left: 0 })).toEqual([])
  })

  test('that brings none is warned of: the first event may create the topic, or it is misspelt', () => {
    expect(found({ matches: 0, left: 0 })).toMatchObject([
      { check: 'topic-pattern', about: 'kc.*', severity: 'warning' },
    ])
  })

  test('that brings more topics than are read is an error', () => {
    expect(found({ matches: 1_000, left: 7 })).toMatchObject([
      { check: 'topic-pattern', severity: 'error', text: expect.stringContaining('7 topics') },
    ])
  })
})

describe('partitions', () => {
  test('one on an input topic is warned of', () => {
    const [finding] = troubles(checkPartitions(topicFacts({ partitions: 1 })))
    expect(finding).toMatchObject({ about: 'session-events', severity: 'warning' })
    expect(finding?.text).toContain('one replica reads all of it')
  })

  test('more, or one on a topic that nobody shares, is fine', () => {
    expect(troubles(checkPartitions(topicFacts({ partitions: 2 })))).toEqual([])
    expect(troubles(checkPartitions(topicFacts({ partitions: 1, roles: ['dead-letter'] })))).toEqual([])
  })
})

describe('retention', () => {
  const found = (settings: Record<string, unknown>, roles = topicFacts().roles) =>
    troubles(checkRetention(topicFacts({ roles }, settings), expectations))
  const { retryDeadlineMs, sessionLifetimeMs } = expectations

  test('as long as sessions live, or without end, is fine', () => {
    expect([...found({ retentionMs: sessionLifetimeMs }), ...found({ retentionMs: -1 })]).toEqual([])
  })

  test('shorter than sessions live: registrations could not be rebuilt', () => {
    const [finding, ...more] = found({ retentionMs: sessionLifetimeMs - 1 })
    expect(more).toEqual([])
    expect(finding).toMatchObject({ about: 'session-events', severity: 'warning' })
    expect(finding?.text).toMatch(
      /for 29 days 23 hours, less than SESSION_LIFETIME_MS \(30 days\).*registrations/,
    )
    expect(finding?.remedy).toContain(`retention.ms of session-events to at least ${sessionLifetimeMs}`)
  })

  test('shorter than the deadline: triggers would be gone before they are run again', () => {
    expect(found({ retentionMs: retryDeadlineMs })[0]?.text).toContain('SESSION_LIFETIME_MS')
    const [finding, ...more] = found({ retentionMs: retryDeadlineMs - 1 })
    expect(more).toEqual([])
    expect(finding?.text).toMatch(/less than RETRY_DEADLINE_MS \(1 day\).*triggers.*are gone before/)
    expect(finding?.remedy).toContain(`to at least ${sessionLifetimeMs}`)
  })

  test('an outcome topic that forgets before the sessions do: what was sent would be sent again', () => {
    expect(found({ retentionMs: sessionLifetimeMs }, ['outcome'])).toEqual([])
    const [finding] = found({ retentionMs: sessionLifetimeMs - 1 }, ['outcome'])
    expect(finding?.text).toMatch(/less than SESSION_LIFETIME_MS.*logouts again/)
    expect(finding?.remedy).toContain(`to at least ${sessionLifetimeMs}`)
  })

  test('of dead letters it is the operator’s choice', () => {
    expect(found({ retentionMs: 1 }, ['dead-letter'])).toEqual([])
  })

  test('a bound on bytes is a hint beside it', () => {
    expect(found({ retentionMs: 1, retentionBytes: 1_000 }).map(({ severity }) => severity)).toEqual([
      'warning',
      'hint',
    ])
    expect(found({ retentionBytes: 1_000 })[0]?.remedy).toContain('retention.bytes')
  })

  test('nothing is dropped for its age without the delete policy', () => {
    expect(found({ retentionMs: 1, retentionBytes: 1, cleanupPolicies: ['compact'] })).toEqual([])
    expect(found({ retentionMs: 1, cleanupPolicies: ['compact', 'delete'] })).toHaveLength(1)
  })

  test('settings that cannot be read are one hint; those of a missing topic none', () => {
    const facts = topicFacts({ settings: unread })
    expect(troubles(checkRetention(facts, expectations))).toEqual([
      expect.objectContaining({ severity: 'hint', remedy: expect.stringContaining('DescribeConfigs') }),
    ])
    expect(troubles(checkCompaction(facts))).toEqual([])
    const missing = [{ ...facts, partitions: 0 }]
    const found = topicChecks(expectations).filter(({ find }) => troubles(find(missing)).length > 0)
    expect(found.map(({ name }) => name)).toEqual(['topic-missing'])
  })
})

describe('compaction', () => {
  const found = (...roles: ('input' | 'outcome' | 'dead-letter')[]) =>
    troubles(checkCompaction(topicFacts({ roles }, { cleanupPolicies: ['compact', 'delete'] })))

  test('a topic that only deletes is fine', () => {
    expect(troubles(checkCompaction(topicFacts()))).toEqual([])
  })

  test.each([
    { roles: ['input'] as const, says: /unread triggers/ },
    { roles: ['input', 'outcome'] as const, says: /unread triggers/ },
    { roles: ['outcome'] as const, says: /logouts again/ },
    { roles: ['dead-letter'] as const, says: /without a key/ },
  ])('of the $roles topic it is warned of, with what is lost', ({ roles, says }) => {
    expect(found(...roles)).toEqual([
      {
        about: 'session-events',
        severity: 'warning',
        text: expect.stringMatching(says),
        remedy: 'set cleanup.policy of session-events to delete',
      },
    ])
  })
})

describe('a topic that is input and outcome topic', () => {
  test('is a hint, and two are none', () => {
    const [finding] = troubles(checkOutcomeTopic(topicFacts({ roles: ['input', 'outcome'] })))
    expect(finding).toMatchObject({ about: 'session-events', severity: 'hint' })
    expect(finding?.remedy).toContain('KAFKA_OUTCOME_TOPIC')
    expect(troubles(checkOutcomeTopic(topicFacts({ roles: ['input'] })))).toEqual([])
    expect(troubles(checkOutcomeTopic(topicFacts({ roles: ['outcome', 'dead-letter'] })))).toEqual([])
  })
})

test('topics with which everything is well are found to be so by all checks', () => {
  const topics = [['input'], ['outcome'], ['dead-letter']] as const
  for (const { name, find } of topicChecks(expectations)) {
    expect(troubles(find(topics.map((roles) => topicFacts({ roles })))), name).toEqual([])
  }
})
