import type { FuzzTarget } from './fuzz-target.ts'
import { avroTargets } from './targets/avro.ts'
import { configTargets } from './targets/config.ts'
import { eventTargets } from './targets/events.ts'
import { httpTargets } from './targets/http.ts'
import { kafkaTargets } from './targets/kafka.ts'
import { keyTargets } from './targets/keys.ts'
import { mappingTargets } from './targets/mapping.ts'
import { mappingFileTargets } from './targets/mapping-files.ts'
import { redisTargets } from './targets/redis.ts'
import { webhookTargets } from './targets/webhooks.ts'

/** A target for each parser that reads what others wrote. */
export const fuzzTargets: readonly FuzzTarget[] = [
  ...kafkaTargets,
  ...eventTargets,
  ...mappingTargets,
  ...mappingFileTargets,
  ...avroTargets,
  ...redisTargets,
  ...keyTargets,
  ...configTargets,
  ...httpTargets,
  ...webhookTargets,
]
