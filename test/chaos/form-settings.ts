import type { ByForm } from './scenario.ts'

export interface FormSettings {
  /** Settings of every relay. */
  readonly env: Readonly<Record<string, string>>
  /** As in `env`, or its default. */
  readonly maxUnsettled: number
  readonly origins: number
  /** Time for everything to come to an end after the last fault is mended. */
  readonly settleMs: number
}

/** For a scenario of the short form in which a member must be given up. A machine that stands still looks the same. */
export const SHORT_MEMBERSHIP = { KAFKA_SESSION_TIMEOUT_MS: '2000' }

const MAX_UNSETTLED_DEFAULT = 320
const MAX_UNSETTLED_SHORT = 160

/** The long form runs with the settings of an operator who has set nothing; the short one has no time for them. */
export const forms: ByForm<FormSettings> = {
  long: { env: {}, maxUnsettled: MAX_UNSETTLED_DEFAULT, origins: 50, settleMs: 300_000 },
  short: {
    env: {
      KAFKA_SESSION_TIMEOUT_MS: '10000',
      MAX_UNSETTLED: String(MAX_UNSETTLED_SHORT),
      COMMIT_INTERVAL_MS: '50',
      // Not less: an RP on a busy machine that answers later than that was told, and is told again.
      ATTEMPT_TIMEOUT_MS: '3000',
      RETRY_LEASE_MS: '4000',
      RETRY_POLL_MS: '50',
      RETRY_BASE_DELAY_MS: '50',
      RETRY_MAX_DELAY_MS: '500',
      BREAKER_COOLDOWN_MS: '200',
      BREAKER_MAX_COOLDOWN_MS: '1000',
    },
    maxUnsettled: MAX_UNSETTLED_SHORT,
    origins: 20,
    settleMs: 90_000,
  },
}
