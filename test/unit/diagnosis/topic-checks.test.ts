import { describe, expect, test } from 'vitest'
import { checkOutcomeTopic } from '../../../src/diagnosis/outcome-topic.ts'
import { checkTopicCompaction } from '../../../src/diagnosis/topic-compaction.ts'
import { checkTopicMissing } from '../../../src/diagnosis/topic-missing.ts'
import { checkTopicPartitions } from '../../../src/diagnosis/topic-partitions.ts'
import { checkTopicRetention } from '../../../src/diagnosis/topic-retention.ts'
import { expectations, topicFacts, unread } from './sample-facts.ts'

describe('a topic that is missing', () => {
  test('one that is there is fine', () => {
    expect(checkTopicMissing(topicFacts())).toEqual([])
  })

  test('an input topic: an error that says how to create it', () => {
    const [finding] = checkTopicMissing(topicFacts({ partitions: 0 }))
    expect(finding).toMatchObject({ check: 'topic-missing', about: 'session-events', severity: 'error' })
    expect(finding?.message).toBe('the input and outcome topic session-events does not exist')
    expect(finding?.mend).toContain('kafka-topics.sh --create --topic session-events --partitions')
  })

  test('a topic that the relay creates itself', () => {
    const [finding] = checkTopicMissing(topicFacts({ partitions: 0, roles: ['dead-letter'] }))
    expect(finding?.mend).toContain('restart the relay')
  })
})

describe('partitions', () => {
  test('one on an input topic is warned of', () => {
    const [finding] = checkTopicPartitions(topicFacts({ partitions: 1 }))
    expect(finding).toMatchObject({ check: 'topic-partitions', about: 'session-events', severity: 'warning' })
    expect(finding?.message).toContain('one replica reads all of it')
  })

  test('more, or one on a topic that nobody shares, is fine', () => {
    expect(checkTopicPartitions(topicFacts({ partitions: 2 }))).toEqual([])
    expect(checkTopicPartitions(topicFacts({ partitions: 1, roles: ['dead-letter'] }))).toEqual([])
  })
})

describe('retention', () => {
  const found = (settings: Record<string, unknown>, roles = topicFacts().roles) =>
    checkTopicRetention(topicFacts({ roles }, settings), expectations)
  const { retryDeadlineMs, sessionLifetimeMs } = expectations

  test('as long as sessions live, or without end, is fine', () => {
    expect([...found({ retentionMs: sessionLifetimeMs }), ...found({ retentionMs: -1 })]).toEqual([])
  })

  test('shorter than sessions live: registrations could not be rebuilt', () => {
    const [finding, ...more] = found({ retentionMs: sessionLifetimeMs - 1 })
    expect(more).toEqual([])
    expect(finding).toMatchObject({ check: 'topic-retention', about: 'session-events', severity: 'warning' })
    expect(finding?.message).toMatch(
      /for 29 days 23 hours, less than SESSION_LIFETIME_MS \(30 days\).*registrations/,
    )
    expect(finding?.mend).toContain(`retention.ms of session-events to at least ${sessionLifetimeMs}`)
  })

  test('shorter than the deadline: triggers would be gone before they are run again', () => {
    expect(found({ retentionMs: retryDeadlineMs })[0]?.message).toContain('SESSION_LIFETIME_MS')
    const [finding, ...more] = found({ retentionMs: retryDeadlineMs - 1 })
    expect(more).toEqual([])
    expect(finding?.message).toMatch(/less than RETRY_DEADLINE_MS \(1 hour\).*triggers.*are gone before/)
    expect(finding?.mend).toContain(`to at least ${sessionLifetimeMs}`)
  })

  test('an outcome topic that forgets before the sessions do: what was sent would be sent again', () => {
    expect(found({ retentionMs: sessionLifetimeMs }, ['outcome'])).toEqual([])
    const [finding] = found({ retentionMs: sessionLifetimeMs - 1 }, ['outcome'])
    expect(finding?.message).toMatch(/less than SESSION_LIFETIME_MS.*sent again/)
    expect(finding?.mend).toContain(`to at least ${sessionLifetimeMs}`)
  })

  test('of dead letters it is the operator’s choice', () => {
    expect(found({ retentionMs: 1 }, ['dead-letter'])).toEqual([])
  })

  test('a bound on bytes is a hint beside it', () => {
    expect(found({ retentionMs: 1, retentionBytes: 1_000 }).map(({ severity }) => severity)).toEqual([
      'warning',
      'hint',
    ])
    expect(found({ retentionBytes: 1_000 })[0]?.mend).toContain('retention.bytes')
  })

  test('nothing is dropped for its age without the delete policy', () => {
    expect(found({ retentionMs: 1, retentionBytes: 1, cleanupPolicies: ['compact'] })).toEqual([])
    expect(found({ retentionMs: 1, cleanupPolicies: ['compact', 'delete'] })).toHaveLength(1)
  })

  test('settings that cannot be read are one hint; those of a missing topic none', () => {
    const facts = topicFacts({ settings: unread })
    expect(checkTopicRetention(facts, expectations)).toEqual([
      expect.objectContaining({ severity: 'hint', mend: expect.stringContaining('DescribeConfigs') }),
    ])
    expect(checkTopicCompaction(facts)).toEqual([])
    expect(checkTopicRetention({ ...facts, partitions: 0 }, expectations)).toEqual([])
  })
})

describe('compaction', () => {
  const found = (...roles: ('input' | 'outcome' | 'dead-letter')[]) =>
    checkTopicCompaction(topicFacts({ roles }, { cleanupPolicies: ['compact', 'delete'] }))

  test('a topic that only deletes is fine', () => {
    expect(checkTopicCompaction(topicFacts())).toEqual([])
  })

  test.each([
    { roles: ['input'] as const, says: /trigger that is not read yet gives way/ },
    { roles: ['input', 'outcome'] as const, says: /trigger that is not read yet gives way/ },
    { roles: ['outcome'] as const, says: /sent again/ },
    { roles: ['dead-letter'] as const, says: /without a key, behind which the offset/ },
  ])('of the $roles topic it is warned of, with what is lost', ({ roles, says }) => {
    expect(found(...roles)).toEqual([
      {
        check: 'topic-compaction',
        about: 'session-events',
        severity: 'warning',
        message: expect.stringMatching(says),
        mend: 'set cleanup.policy of session-events to delete',
      },
    ])
  })
})

describe('a topic that is input and outcome topic', () => {
  test('is a hint, and two are none', () => {
    const [finding] = checkOutcomeTopic(topicFacts({ roles: ['input', 'outcome'] }))
    expect(finding).toMatchObject({ check: 'outcome-topic', about: 'session-events', severity: 'hint' })
    expect(finding?.mend).toContain('KAFKA_OUTCOME_TOPIC')
    expect(checkOutcomeTopic(topicFacts({ roles: ['input'] }))).toEqual([])
    expect(checkOutcomeTopic(topicFacts({ roles: ['outcome', 'dead-letter'] }))).toEqual([])
  })
})
