import { durationText } from '../lib/duration-text.ts'
import type { Expectations, TopicFacts } from './facts.ts'
import { type Finding, unreadHint } from './finding.ts'

const check = 'topic-retention'

/** What the topic has dropped can neither be consumed late nor be read again when Redis has lost its data. */
export function checkTopicRetention(
  { topic, roles, settings, partitions }: TopicFacts,
  expected: Pick<Expectations, 'retryDeadlineMs' | 'sessionLifetimeMs'>,
): Finding[] {
  if (partitions === 0 || !(roles.includes('input') || roles.includes('outcome'))) return []
  if ('unread' in settings) {
    const mend = `let the relay's Kafka user run DescribeConfigs on ${topic}, or see to its retention and clean-up policy`
    return [unreadHint(check, settings, { what: `the settings of the topic ${topic}`, mend, about: topic })]
  }
  const { cleanupPolicies, retentionBytes, retentionMs } = settings.value
  // Nothing is dropped for its age then; what compaction drops is told by its own check.
  if (!cleanupPolicies.includes('delete')) return []
  const findings: Finding[] = []
  const found = roles.includes('input')
    ? tooShortForInput(topic, retentionMs, expected)
    : tooShortForOutcomes(topic, retentionMs, expected)
  if (found !== undefined) findings.push({ check, about: topic, severity: 'warning', ...found })
  if (retentionBytes >= 0) {
    findings.push({
      check,
      about: `${topic} retention.bytes`,
      severity: 'hint',
      message: `the topic ${topic} keeps at most ${retentionBytes} bytes per partition, so it may drop records sooner than its retention.ms says`,
      mend: `set retention.bytes of ${topic} to -1`,
    })
  }
  return findings
}

type Text = Pick<Finding, 'message' | 'mend'>

function tooShortForInput(
  topic: string,
  retentionMs: number,
  { retryDeadlineMs, sessionLifetimeMs }: Pick<Expectations, 'retryDeadlineMs' | 'sessionLifetimeMs'>,
): Text | undefined {
  if (retentionMs < 0) return undefined
  const keeps = `the topic ${topic} keeps records for ${durationText(retentionMs)}`
  const mend = `set retention.ms of ${topic} to at least ${Math.max(sessionLifetimeMs, retryDeadlineMs)}`
  if (retentionMs < retryDeadlineMs) {
    return {
      message:
        `${keeps}, less than RETRY_DEADLINE_MS (${durationText(retryDeadlineMs)}): after a loss of Redis, triggers whose ` +
        'logouts are still being tried are gone before they can be run again, and so are those that a relay which was down has not read',
      mend,
    }
  }
  if (retentionMs < sessionLifetimeMs) {
    return {
      message:
        `${keeps}, less than SESSION_LIFETIME_MS (${durationText(sessionLifetimeMs)}): after a loss of Redis, older ` +
        'registrations cannot be rebuilt, and their logouts are not sent',
      mend,
    }
  }
  return undefined
}

/** A registration that the input topics still hold comes back to life in a rebuild where its outcome is gone. */
function tooShortForOutcomes(
  topic: string,
  retentionMs: number,
  { retryDeadlineMs, sessionLifetimeMs }: Pick<Expectations, 'retryDeadlineMs' | 'sessionLifetimeMs'>,
): Text | undefined {
  const [name, wantedMs] =
    sessionLifetimeMs > retryDeadlineMs
      ? ['SESSION_LIFETIME_MS', sessionLifetimeMs]
      : ['RETRY_DEADLINE_MS', retryDeadlineMs]
  if (retentionMs < 0 || retentionMs >= wantedMs) return undefined
  return {
    message:
      `the outcome topic ${topic} keeps records for ${durationText(retentionMs)}, less than ${name} ` +
      `(${durationText(wantedMs)}): after a loss of Redis, logouts that were sent are sent again, or end once more as expired`,
    mend: `set retention.ms of ${topic} to at least ${wantedMs}`,
  }
}
