import type { FuzzTarget } from './fuzz-target.ts'
import { configTargets } from './targets/config.ts'
import { eventTargets } from './targets/events.ts'
import { httpTargets } from './targets/http.ts'
import { kafkaTargets } from './targets/kafka.ts'
import { keyTargets } from './targets/keys.ts'
import { redisTargets } from './targets/redis.ts'
import { webhookTargets } from './targets/webhooks.ts'

/** A target for each parser that reads what others wrote. */
export const fuzzTargets: readonly FuzzTarget[] = [
  ...kafkaTargets,
  ...eventTargets,
  ...redisTargets,
  ...keyTargets,
  ...configTargets,
  ...httpTargets,
  ...webhookTargets,
]
