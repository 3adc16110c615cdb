import type { Config } from '../config/config.ts'
import type { DeliveryCore } from '../delivery/delivery-core.ts'
import type { EdgeNotes } from '../diagnosis/edge-notes.ts'
import type { Assignment } from '../intake/assignment.ts'
import type { InputTopics } from '../intake/input-topics.ts'
import type { LogReader } from '../intake/log-reader.ts'
import type { Pipeline } from '../intake/pipeline.ts'
import type { Clock } from '../lib/clock.ts'
import { describeDisbelieved } from '../recovery/believed-outcomes.ts'
import { ParkAgain } from '../recovery/park-again.ts'
import { RegistryWatch } from '../recovery/registry-watch.ts'
import type { RelayEvents } from '../telemetry/relay-events.ts'
import { createRebuild, type Stores } from './engine.ts'
import type { Readiness } from './readiness.ts'

export interface RegistryWatchParts {
  readonly assignment: Assignment
  readonly clock: Clock
  readonly config: Config
  readonly core: DeliveryCore
  readonly edges: EdgeNotes
  readonly events: RelayEvents
  readonly inputs: InputTopics
  readonly pipeline: Pipeline
  readonly readiness: Readiness
  readonly reader: LogReader
  readonly stores: Stores
}

/** What notices that Redis has lost the registry or fallen behind, and completes it from the log. */
export function createRegistryWatch(parts: RegistryWatchParts): RegistryWatch {
  const { assignment, clock, config, core, edges, events, inputs, pipeline, readiness, reader, stores } =
    parts
  const { admission, settlement } = core
  const { epoch, guard, parkOwed } = stores
  const { deadlineMs } = config.delivery.retry
  const again = new ParkAgain({ admission, clock, deadlineMs, parkOwed, settlement })
  const rebuild = createRebuild({
    clock,
    config,
    inputs,
    pipeline,
    reader,
    stores,
    onForgotten: (starts) => {
      for (const { topic, partition, offset: position } of starts)
        edges.positionPassed({ topic, partition, position, wanted: position, why: 'forgotten' })
    },
    onDisbelieved: (outcomes) => {
      // Outcomes of a relay in live mode mean nothing to a shadow: triggers from before its positions are over.
      if (config.mode === 'live') edges.outcomesDisbelieved(describeDisbelieved(outcomes))
    },
    onLacked: (starts) => {
      for (const { topic, partition, low: position, lackedFrom: wanted } of starts)
        edges.positionPassed({ topic, partition, position, wanted, why: 'lacked' })
    },
    onProgress: (progress) => {
      readiness.rebuilt(progress)
      events.rebuilding(progress)
    },
    own: () =>
      [...assignment.queues].map(({ topic, partition, tracker }) => ({
        topic,
        partition,
        next: tracker.next,
      })),
    runAgain: (triggers, unguarded) => again.run(triggers, unguarded),
  })
  return new RegistryWatch({
    clock,
    epoch,
    guard,
    rebuild,
    applied: () => assignment.applied(),
    onError: (error, failures) => {
      readiness.failed('kafka', error)
      events.fault('rebuild', error, failures)
    },
    onLost: () => events.registryLost(),
    onProved: () => assignment.commitSoon(),
  })
}
