import { randomUUID } from 'node:crypto'
import type { RedisCommand } from './redis-connection.ts'

/** Fields of relays that were killed. Beyond so many they go, with those of living ones, which then count as rolled back. */
const FIELDS_MAX = 1_000

const REFUSED_MS = 1_000

/** KEYS: hash. ARGV: own field, prefix of such fields. Returns the own count; '0' without one. */
const RECALL = `
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then return '0' end
if redis.call('HLEN', KEYS[1]) > ${FIELDS_MAX} then
  for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    if string.sub(field, 1, #ARGV[2]) == ARGV[2] and field ~= ARGV[1] then redis.call('HDEL', KEYS[1], field) end
  end
end
return redis.call('HGET', KEYS[1], ARGV[1]) or '0'`

const PREFIX = 'writes:'

/**
 * The number of calls of this process that the store has carried out, kept by both. A server that falls back to an earlier
 * state under the same run (a reloaded or restored file, a proxy in front of an older copy) loses the last calls and shows a
 * lower number with the next one, however little is lost. Each process has a number of its own: one for all of them would
 * reach the old height again by the calls of others.
 *
 * Answers come in the order of the calls, so each must be one more than the last.
 */
export class WriteCount {
  readonly #command: RedisCommand
  readonly recall: RedisCommand
  readonly #field = PREFIX + randomUUID()
  readonly #key: string
  #last = 0
  #unanswered = 0
  #refusedAtMs = Number.NEGATIVE_INFINITY
  #rollbacks = 0

  /** `key`: a hash in which the store keeps it. */
  constructor(key: string) {
    this.#key = key
    this.#command = ['HINCRBY', key, this.#field, 1]
    this.recall = ['EVAL', RECALL, 1, key, this.#field, PREFIX]
  }

  /** How often the store was found to have lost calls. */
  get rollbacks(): number {
    return this.#rollbacks
  }

  /** What the store must show to a command that is sent now. Arguments of a script: field and number. */
  get expected(): [field: string, count: number] {
    return [this.#field, this.#last + this.#unanswered]
  }

  /** Removes the number when the process ends. */
  get leave(): RedisCommand {
    return ['HDEL', this.#key, this.#field]
  }

  /** A new connection. Calls without an answer may have been carried out. `isSameRun`: of the same server. */
  begin(recalled: number, isSameRun: boolean): void {
    if (!isSameRun) this.#refusedAtMs = Number.NEGATIVE_INFINITY
    if (isSameRun && recalled < this.#last) this.#rollbacks++
    this.#last = recalled
    this.#unanswered = 0
  }

  /**
   * To be sent behind the commands of a call. None for a while after a refusal: a read-only replica answers it by an error for
   * which the client connects anew, and reads must go on.
   */
  send(): RedisCommand | undefined {
    if (performance.now() - this.#refusedAtMs < REFUSED_MS) return undefined
    this.#unanswered++
    return this.#command
  }

  /** A store that refuses writes for a while does not count. */
  take(answer: PromiseSettledResult<unknown>): void {
    this.#unanswered--
    if (answer.status === 'rejected') {
      this.#refusedAtMs = performance.now()
      return
    }
    this.#refusedAtMs = Number.NEGATIVE_INFINITY
    const count = Number(answer.value)
    if (count !== this.#last + 1) this.#rollbacks++
    this.#last = count
  }
}
