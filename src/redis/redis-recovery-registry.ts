import { type Registration, writeRegistration } from '../events/registration.ts'
import type { TriggerStep } from '../intake/trigger-step.ts'
import { systemClock } from '../lib/clock.ts'
import type { RecoveryRegistry } from '../recovery/recovery-registry.ts'
import { groupsOf, type OwedGroup } from '../registry/ending.ts'
import type { EpochGuard } from '../registry/epoch-guard.ts'
import type { RegistrationKey } from '../registry/registry.ts'
import { scanMembersScript, scanNamesScript, TOMBSTONE_BYTES_MAX } from './bounded-reads.ts'
import type { RedisCommand, RedisConnection } from './redis-connection.ts'
import type { RedisKeys } from './redis-keys.ts'
import { evalScript, redisScript } from './redis-script.ts'
import { SessionCalls, type SessionName } from './session-calls.ts'
import { readMarks } from './session-mark.ts'
import type { StoredSession } from './stored-registration.ts'
import { sessionsOfUser } from './user-index.ts'
import { wholeSessions, wholeSessionsScripts } from './whole-sessions.ts'

/**
 * KEYS: session and tombstone. ARGV: TTL in ms, oidcSessionId, JSON, the deadline at the head of that JSON, its date (''
 * without one). Keeps an existing registration. Removes the settled line from the tombstone. Returns the deadline of the
 * registration that is there now.
 */
const reopenScript = redisScript(`
local function unsettle(key, id, date)
  local length = redis.pcall('STRLEN', key)
  if type(length) ~= 'number' or length == 0 or length > ${TOMBSTONE_BYTES_MAX} then return end
  local tombstone = redis.call('GET', key)
  local whole, from = tombstone, 1
  while true do
    local first, last = string.find(tombstone, '\\n' .. id, from, true)
    if not first then break end
    local to = (string.find(tombstone, '\\n', last + 1, true) or #tombstone + 1) - 1
    local rest = string.sub(tombstone, last + 1, to)
    local noted = tonumber(string.match(rest, '^\\t(%d+)$') or '')
    -- Keeps the line of a later login with the same id.
    if rest == '' or noted and not (date and noted > date) then
      tombstone = string.sub(tombstone, 1, first - 1) .. string.sub(tombstone, to + 1)
      from = first
    else from = last + 1 end
  end
  if tombstone ~= whole then redis.call('SET', key, tombstone, 'KEEPTTL') end
end

local deadline = ARGV[4]
if redis.call('HSETNX', KEYS[1], ARGV[2], ARGV[3]) == 1 then unsettle(KEYS[2], ARGV[2], tonumber(ARGV[5]))
else deadline = string.match(redis.call('HGET', KEYS[1], ARGV[2]), '^{"reopenedUntil":(%d+)') or deadline end
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return deadline
`)

const SCAN_COUNT = 1_000
/** Bytes at the head of a tombstone that may hold its marks. */
const MARKS_BYTES_MAX = 65_536

export class RedisRecoveryRegistry implements RecoveryRegistry {
  readonly #redis: RedisConnection
  readonly #keys: RedisKeys
  readonly #calls: SessionCalls
  readonly #sessionLifetimeMs: number

  constructor(options: {
    redis: RedisConnection
    keys: RedisKeys
    guard?: EpochGuard
    sessionLifetimeMs: number
  }) {
    const { redis, keys, guard, sessionLifetimeMs } = options
    this.#redis = redis
    this.#keys = keys
    this.#calls = new SessionCalls(redis, keys, guard)
    this.#sessionLifetimeMs = sessionLifetimeMs
    redis.register(reopenScript, scanMembersScript, scanNamesScript)
    redis.register(...wholeSessionsScripts)
  }

  async owed(steps: readonly TriggerStep[]): Promise<OwedGroup[][]> {
    const answers: OwedGroup[][] = []
    for (const step of steps) {
      const groups: OwedGroup[] = []
      for await (const sessionIds of this.#sessionsOf(step))
        groups.push(...(await this.#owedBy(step, sessionIds)))
      answers.push(groups)
    }
    return answers
  }

  async reopen(
    failed: readonly { readonly registration: Registration; readonly deadlineMs: number }[],
  ): Promise<number[]> {
    const now = systemClock.now()
    const replies = await this.#redis.pipeline(
      failed.map(({ registration: it, deadlineMs }) =>
        evalScript(
          reopenScript,
          [...this.#calls.keysOf(it)],
          [
            Math.max(this.#sessionLifetimeMs, deadlineMs - now),
            it.oidcSessionId,
            `{"reopenedUntil":${deadlineMs},"reopenedAt":${now},${writeRegistration(it).slice(1)}`,
            deadlineMs,
            it.registeredAtMs ?? '',
          ],
        ),
      ),
    )
    return replies.map(Number)
  }

  async all(take: (keys: readonly RegistrationKey[]) => Promise<void>, signal: AbortSignal): Promise<void> {
    const pattern = this.#keys.session('*', '*')
    let cursor = '0'
    do {
      const scan = ['SCAN', cursor, 'MATCH', pattern, 'COUNT', SCAN_COUNT, 'TYPE', 'hash'] as const
      const [next, keys] = (await this.#redis.command(...scan)) as [string, string[]]
      await this.#takeNames(keys, take)
      cursor = next
    } while (cursor !== '0' && !signal.aborted)
  }

  /** Scans all sessions in step, until each has been read to its end. */
  async #takeNames(
    keys: readonly string[],
    take: (keys: readonly RegistrationKey[]) => Promise<void>,
  ): Promise<void> {
    let open = keys.map((key) => ({ key, cursor: '0' }))
    while (open.length > 0) {
      const replies = (await this.#redis.pipeline(
        open.map(({ key, cursor }) => evalScript(scanNamesScript, [key], [cursor, SCAN_COUNT])),
      )) as [string, string[]][]
      await take(
        open.flatMap(({ key }, i) => {
          const session = this.#sessionOf(key)
          return replies[i]?.[1].map((oidcSessionId) => ({ ...session, oidcSessionId })) ?? []
        }),
      )
      open = open.flatMap(({ key }, i) => {
        const cursor = replies[i]?.[0] ?? '0'
        return cursor === '0' ? [] : [{ key, cursor }]
      })
    }
  }

  /** Parses a session key. An issuer contains no bar. */
  #sessionOf(key: string): SessionName {
    const name = key.slice(this.#keys.session('', '').length - '|}'.length, -1)
    const bar = name.indexOf('|')
    return { issuer: name.slice(0, bar), sessionId: name.slice(bar + 1) }
  }

  async *#sessionsOf(step: TriggerStep): AsyncGenerator<string[]> {
    if (step.kind === 'end-session') yield [step.sessionId]
    else {
      const run = async (command: RedisCommand) => (await this.#calls.pipelineGuarded([command]))[0]
      yield* sessionsOfUser(run, this.#keys.user(step.issuer, step.userId))
    }
  }

  /** Answers as the registry does when it ends the sessions. */
  async #owedBy(step: TriggerStep, sessionIds: readonly string[]): Promise<OwedGroup[]> {
    const { issuer, ending } = step
    const groups = await this.#calls.runSkippingForeign(
      sessionIds.map((sessionId): SessionName => ({ issuer, sessionId })),
      (session) => session,
      async (sound) => {
        const pairs = sound.map((session) => this.#calls.keysOf(session))
        const hashes = await wholeSessions(
          (commands) => this.#calls.pipelineGuarded(commands),
          sound.map((session, i) => ({ ...session, key: pairs[i]?.[0] ?? '' })),
        )
        const marks = await this.#calls.pipelineGuarded(
          pairs.map(([, ended]) => ['GETRANGE', ended, 0, MARKS_BYTES_MAX - 1]),
        )
        return sound.map((_, i) => {
          const stored = hashes[i] as StoredSession
          const standing = readMarks(String(marks[i] ?? ''), ending)
          if (step.kind === 'end-session' && isOfAnother(stored.registrations, step.userId)) return []
          return groupsOf(stored, ending, standing)
        })
      },
      // Nothing is known about it, and ending it would not help.
      () => [],
    )
    if (step.kind === 'end-session') return groups.flat()
    return groups.flat().flatMap((owed) => {
      const registrations = owed.registrations.filter((it) => it.userId === step.userId)
      return registrations.length + owed.broken.length > 0 ? [{ ...owed, registrations }] : []
    })
  }
}

/** As in the script that ends sessions. */
function isOfAnother(registrations: readonly Registration[], userId: string | undefined): boolean {
  return userId !== undefined && registrations.length > 0 && registrations.every((it) => it.userId !== userId)
}
