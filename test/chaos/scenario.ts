import type { ChaosRun } from './chaos-run.ts'

/** `short` is a part of `npm test`; `long` is the proof. */
export type Form = 'long' | 'short'

export type ByForm<T> = Readonly<Record<Form, T>>

/** What a scenario wants to be hurt, and its surroundings. */
export interface Scenery {
  /** 1 unless given. With 3, every topic has three replicas, two of which must be in sync. */
  readonly brokers?: 1 | 3
  /** Beside the usual ones of the test brokers. */
  readonly brokerProperties?: Readonly<Record<string, string>>
  /** A second Redis, and an address in front of both, for the relays and for us. It holds nothing at first. */
  readonly redisReplica?: boolean
  readonly redisPersistence?: 'none' | 'appendonly'
  /** Written to Redis before the start unless given; `records` can be rebuilt from the topic; or the scenario does it. */
  readonly registrations?: 'in-redis' | 'records' | 'by-scenario'
  /** A topic of their own for the outcomes; they go to the topic of the triggers unless given. */
  readonly ownOutcomeTopic?: boolean
  /** There is a second issuer, and each relay reads both in a file of its own, which the scenario may change. */
  readonly hasIssuerFiles?: boolean
  /** Settings of the relays beside the usual ones of the form. */
  readonly env?: Partial<ByForm<Readonly<Record<string, string>>>>
}

/** One way to hurt the relay or what it depends on. The invariants are the same for all and verified afterwards. */
export interface Scenario {
  /** Names the invariant. */
  readonly name: string
  /** What is done, for people. */
  readonly fault: string
  /** Deliveries that are owed. */
  readonly deliveries: ByForm<number>
  readonly scenery?: Scenery
  /** Publishes what is to be delivered, and hurts. Resolves when everything is whole again. */
  run(run: ChaosRun): Promise<void>
}
