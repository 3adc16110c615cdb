import { CLOCK_TOLERANCE_MS } from '../events/claimed-time.ts'
import type { SettledByLog } from '../events/outcome.ts'
import { systemClock } from '../lib/clock.ts'
import { endingOfOutcome } from '../registry/ending.ts'
import type { RegistrationKey, Registry } from '../registry/registry.ts'
import type { RedisConnection } from './redis-connection.ts'
import type { RedisKeys } from './redis-keys.ts'
import { evalScript } from './redis-script.ts'
import { inParts, SCRIPT_WEIGHT_MAX, type SessionCalls, type SessionName } from './session-calls.ts'
import { writeMark } from './session-mark.ts'
import {
  leaveIndexScript,
  notePendingScript,
  type SettlingScripts,
  settledScript,
  settlingScripts,
} from './settling-scripts.ts'

export interface RedisSettlementOptions {
  readonly redis: RedisConnection
  readonly keys: RedisKeys
  readonly calls: SessionCalls
  readonly mode: 'live' | 'shadow'
  /** Lifetime of a registration whose session does not end. Milliseconds. */
  readonly sessionLifetimeMs: number
  /** How long the end of a session is remembered. Milliseconds. */
  readonly tombstoneMs: number
}

interface OfSession<K extends RegistrationKey = RegistrationKey> {
  readonly first: K
  readonly keys: K[]
}

/** Time for reading a topic again, of which everything that was settled must be remembered. */
const READ_AGAIN_MS = 60 * 60_000

const weightOf = ({ keys }: OfSession): number => keys.length
const firstOf = ({ first }: OfSession): SessionName => first

/** Settles registrations in Redis: stores decided outcomes, removes settled registrations, and applies what the log settled. */
export class RedisSettlement implements Pick<Registry, 'notePending' | 'settle' | 'forget' | 'areSettled'> {
  readonly #redis: RedisConnection
  readonly #keys: RedisKeys
  readonly #calls: SessionCalls
  readonly #scripts: SettlingScripts
  readonly #sessionLifetimeMs: number
  readonly #tombstoneMs: number

  constructor({ redis, keys, calls, mode, sessionLifetimeMs, tombstoneMs }: RedisSettlementOptions) {
    this.#redis = redis
    this.#keys = keys
    this.#calls = calls
    this.#sessionLifetimeMs = sessionLifetimeMs
    this.#tombstoneMs = tombstoneMs
    this.#scripts = settlingScripts(mode)
    const { forget, settle } = this.#scripts
    redis.register(notePendingScript, settle, forget, leaveIndexScript, settledScript)
  }

  notePending(decided: Parameters<Registry['notePending']>[0]): Promise<void> {
    return this.#perSession(decided, async (sessions) => {
      await this.#redis.pipeline(
        inParts(
          sessions,
          (part) =>
            evalScript(
              notePendingScript,
              this.#keysOf(part),
              part.flatMap(({ keys }) => [
                keys.length,
                ...keys.flatMap((key) => [...dated(key), JSON.stringify(key.pendingOutcome)]),
              ]),
            ),
          weightOf,
        ),
      )
    })
  }

  /**
   * Removes ended sessions without registrations from their user's index. A login with the same id may come between the two
   * calls and must keep its entry, so only entries that end before a new login's would are removed. Because clocks differ,
   * the entry of a very short session stays until its lifetime ends.
   */
  settle(settled: readonly RegistrationKey[]): Promise<void> {
    return this.#perSession(settled, async (sessions) => {
      const untilMs = systemClock.now() - CLOCK_TOLERANCE_MS + this.#sessionLifetimeMs
      const answers = await this.#redis.pipeline(
        inParts(
          sessions,
          (part) => evalScript(this.#scripts.settle, this.#keysOf(part), settledArgs(part)),
          weightOf,
        ),
      )
      const left = answers.flat()
      const emptied = sessions.filter(({ first }, i) => left[i] === 0 && first.userId !== undefined)
      await this.#redis.pipeline(
        inParts(emptied, (part) =>
          evalScript(
            leaveIndexScript,
            part.map(({ first }) => this.#keys.user(first.issuer, first.userId as string)),
            [untilMs, ...part.map(({ first }) => first.sessionId)],
          ),
        ),
      )
    })
  }

  forget(settled: readonly SettledByLog[], mayAllComeAgain = false): Promise<void> {
    // An old outcome was written after its registration. The record of a younger one may still come, or come again.
    const ttlMs = mayAllComeAgain ? Math.max(this.#tombstoneMs, READ_AGAIN_MS) : this.#tombstoneMs
    const recentMs = mayAllComeAgain ? Number.NEGATIVE_INFINITY : systemClock.now() - this.#tombstoneMs
    return this.#perSession(settled, async (sessions) => {
      await this.#redis.pipeline(
        inParts(
          sessions,
          (part) =>
            evalScript(this.#scripts.forget, this.#keysOf(part), [
              ttlMs,
              ...part.flatMap(({ keys }) => [
                markOf(keys),
                keys.length,
                ...keys.flatMap((key) => [
                  ...dated(key),
                  key.recordedAtMs,
                  key.recordedAtMs > recentMs ? 1 : 0,
                ]),
              ]),
            ]),
          weightOf,
        ),
      )
    })
  }

  async areSettled(keys: readonly RegistrationKey[]): Promise<boolean[]> {
    const dates = await this.#calls.evalGuarded(keys, (part) =>
      evalScript(
        settledScript,
        part.map(({ issuer, sessionId }) => this.#keys.ended(issuer, sessionId)),
        part.map(({ oidcSessionId }) => oidcSessionId),
      ),
    )
    return keys.map(({ registeredAtMs = 0 }, i) => {
      const date = dates[i]
      if (date === '') return false
      return date === 'inf' || Number(date) >= registeredAtMs
    })
  }

  async #perSession<K extends RegistrationKey>(
    keys: readonly K[],
    run: (sessions: readonly OfSession<K>[]) => Promise<void>,
  ): Promise<void> {
    await this.#calls.runSkippingForeign(bySession(keys), firstOf, async (sessions) => {
      await run(sessions)
      return []
    })
  }

  #keysOf(sessions: readonly OfSession[]): string[] {
    return sessions.flatMap(({ first }) => this.#calls.keysOf(first))
  }
}

/** Number of registrations, then id and date of each, per session. A flat loop, because every delivery comes through here. */
function settledArgs(sessions: readonly OfSession[]): (string | number)[] {
  const args: (string | number)[] = []
  for (const { keys } of sessions) {
    args.push(keys.length)
    for (const { oidcSessionId, registeredAtMs } of keys) args.push(oidcSessionId, registeredAtMs ?? '')
  }
  return args
}

/** Script arguments of a registration: id and date. */
function dated({ oidcSessionId, registeredAtMs }: RegistrationKey): (string | number)[] {
  return [oidcSessionId, registeredAtMs ?? '']
}

/** The mark of a session that is known only by its outcomes: that of the first outcome that names its trigger. */
function markOf(settled: readonly SettledByLog[]): string {
  for (const outcome of settled) {
    const ending = endingOfOutcome(outcome)
    if (ending !== undefined) return writeMark(ending)
  }
  return ''
}

/** One entry per session. A session with too many registrations for one call gets several consecutive entries. */
function bySession<K extends RegistrationKey>(keys: readonly K[]): OfSession<K>[] {
  const sessions = new Map<string, OfSession<K>[]>()
  for (const key of keys) {
    const name = `${key.issuer}\n${key.sessionId}`
    const entries = sessions.get(name)
    const last = entries?.at(-1)
    if (entries === undefined) sessions.set(name, [{ first: key, keys: [key] }])
    else if (last === undefined || last.keys.length >= SCRIPT_WEIGHT_MAX)
      entries.push({ first: key, keys: [key] })
    else last.keys.push(key)
  }
  return [...sessions.values()].flat()
}
