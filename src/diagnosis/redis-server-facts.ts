import type { Fact } from './facts.ts'

export interface EpochFacts {
  readonly isSet: boolean
  /** Undefined when the server does not tell its run. */
  readonly isOfThisRun: boolean | undefined
  /** A replica holds the lock of a rebuild. */
  readonly isRebuilding: boolean
  /** A relay has used the prefix. */
  readonly isInUse: boolean
}

/** What the doctor wants to know of Redis beside what the service checks itself. */
export interface RedisServerFacts {
  /** The server's name and version, such as `redis 7.2.4`. */
  readonly version: Fact<string>
  /** `maxBytes` is 0 without a bound. */
  readonly memory: Fact<{ readonly usedBytes: number; readonly maxBytes: number }>
  /** The quickest of a few. Milliseconds. */
  readonly pingMs: number
  readonly epoch: Fact<EpochFacts>
}
