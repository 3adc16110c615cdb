import { inject } from 'vitest'
import { RelaySite, type RelaySiteOptions } from '../support/relay-site.ts'

/** A site on the Kafka and the Redis of this run. */
export function openSite(
  options: Omit<RelaySiteOptions, 'kafkaBrokers' | 'redisUrl'> = {},
): Promise<RelaySite> {
  return RelaySite.open({ kafkaBrokers: inject('kafkaBrokers'), redisUrl: inject('redisUrl'), ...options })
}
