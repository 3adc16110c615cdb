import { RelayFault } from '../errors.ts'
import { type Registration, writeRegistration } from '../events/registration.ts'
import type { EpochGuard } from '../registry/epoch-guard.ts'
import type {
  BrokenRegistration,
  RegistrationKey,
  Registry,
  RegistryAnswer,
  RegistryStep,
} from '../registry/registry.ts'
import type { RedisCommand, RedisConnection } from './redis-connection.ts'
import type { RedisKeys } from './redis-keys.ts'
import { evalScript } from './redis-script.ts'
import {
  endSessionsScript,
  forgetScript,
  leaveUserScript,
  registerScript,
  settleScript,
  signOutScript,
} from './registry-scripts.ts'
import { readMark, writeMark } from './session-mark.ts'
import { type OwedAnswer, readOwed, readStored } from './stored-registration.ts'

export interface RedisRegistryOptions {
  readonly redis: RedisConnection
  readonly keys: RedisKeys
  /** How long a registration lives when nothing ends its session. Milliseconds. */
  readonly sessionLifetimeMs: number
  /** How long it is remembered that a session ended. Milliseconds. */
  readonly tombstoneMs: number
  /** Steps are refused when the store shows another epoch. Without one they are not: so the registry is built. */
  readonly guard?: EpochGuard
}

type SessionStep = Exclude<RegistryStep, { kind: 'end-user' }>
type RegisterStep = Extract<RegistryStep, { kind: 'register' }>
type EndStep = Extract<RegistryStep, { kind: 'end-session' }>

/** Redis does nothing else while a script runs; that many take less than a millisecond. */
const SCRIPT_SESSIONS_MAX = 128

/** The registry in Redis: a hash per session, so that a trigger costs one command whatever number of RPs it has. */
export class RedisRegistry implements Registry {
  readonly #redis: RedisConnection
  readonly #keys: RedisKeys
  readonly #sessionLifetimeMs: number
  readonly #tombstoneMs: number
  readonly #guard: EpochGuard | undefined

  constructor({ redis, keys, sessionLifetimeMs, tombstoneMs, guard }: RedisRegistryOptions) {
    this.#guard = guard
    this.#redis = redis
    this.#keys = keys
    this.#sessionLifetimeMs = sessionLifetimeMs
    this.#tombstoneMs = tombstoneMs
    redis.register(
      registerScript,
      endSessionsScript,
      settleScript,
      leaveUserScript,
      forgetScript,
      signOutScript,
    )
  }

  async apply(steps: readonly RegistryStep[]): Promise<RegistryAnswer[]> {
    const answers: RegistryAnswer[] = []
    let run: SessionStep[] = []
    for (const step of steps) {
      // The sessions of a user are known after a first answer only, so such a step stands alone: what comes
      // later in the log must not be seen by it.
      if (step.kind === 'end-user') {
        answers.push(...(await this.#applyRun(run)), await this.#endUser(step))
        run = []
      } else run.push(step)
    }
    answers.push(...(await this.#applyRun(run)))
    return answers
  }

  async settle(settled: readonly RegistrationKey[]): Promise<void> {
    const sessions = bySession(settled)
    const answers = await this.#redis.pipeline(
      inParts(sessions, (part) =>
        evalScript(
          settleScript,
          part.flatMap(({ first }) => this.#sessionKeys(first)),
          part.flatMap(({ ids }) => [ids.length, ...ids]),
        ),
      ),
    )
    const left = answers.flat()
    // An ended session without registrations needs no place among its user's sessions any more.
    const emptied = sessions.filter(({ first }, i) => left[i] === 0 && first.userId !== undefined)
    await this.#redis.pipeline(
      inParts(emptied, (part) =>
        evalScript(
          leaveUserScript,
          part.map(({ first }) => this.#keys.user(first.issuer, first.userId as string)),
          part.map(({ first }) => first.sessionId),
        ),
      ),
    )
  }

  async forget(settled: readonly RegistrationKey[]): Promise<void> {
    await this.#redis.pipeline(
      inParts(bySession(settled), (part) =>
        evalScript(
          forgetScript,
          part.flatMap(({ first }) => this.#sessionKeys(first)),
          [this.#tombstoneMs, ...part.flatMap(({ ids }) => [ids.length, ...ids])],
        ),
      ),
    )
  }

  async find(keys: readonly RegistrationKey[]): Promise<(Registration | BrokenRegistration | undefined)[]> {
    const values = await this.#redis.pipeline(
      keys.map((key) => ['HGET', this.#keys.session(key.issuer, key.sessionId), key.oidcSessionId]),
    )
    return keys.map((key, i) => {
      const value = values[i]
      return typeof value === 'string' ? readStored(value, key) : undefined
    })
  }

  async #applyRun(steps: readonly SessionStep[]): Promise<RegistryAnswer[]> {
    const answers: RegistryAnswer[] = []
    for (let i = 0; i < steps.length; ) {
      const isEnd = steps[i]?.kind === 'end-session'
      let next = i + 1
      while (next < steps.length && (steps[next]?.kind === 'end-session') === isEnd) next++
      const run = steps.slice(i, next)
      answers.push(
        ...(isEnd ? await this.#endSessions(run as EndStep[]) : await this.#register(run as RegisterStep[])),
      )
      i = next
    }
    return answers
  }

  /**
   * The user's set comes before the session: a registration that cannot be found by its user would survive a sign-out.
   * The look for a sign-out comes last: one that missed the registration had left its mark by then.
   */
  async #register(steps: readonly RegisterStep[]): Promise<RegistryAnswer[]> {
    const replies = await this.#inParts(steps, (part) =>
      evalScript(
        registerScript,
        part.flatMap(({ registration }) => this.#registrationKeys(registration)),
        [
          this.#sessionLifetimeMs,
          ...part.flatMap(({ registration }) => [
            registration.sessionId,
            registration.oidcSessionId,
            writeRegistration(registration),
          ]),
        ],
      ),
    )
    const signedOut: EndStep[] = []
    const answers = steps.map(({ registration, origin }, i): RegistryAnswer => {
      const [ended, signedOutMark] = [replies[2 * i], replies[2 * i + 1]]
      if (typeof ended !== 'string') return { kind: 'already-settled' }
      if (ended !== '') return { kind: 'registered', endedBy: readMark(ended)?.origin ?? origin }
      const mark = readMark(String(signedOutMark))
      if (mark === undefined || !isUntil(registration, mark.untilMs)) return { kind: 'registered' }
      signedOut.push({ ...registration, kind: 'end-session', origin: mark.origin })
      return { kind: 'registered', endedBy: mark.origin }
    })
    await this.#endSessions(signedOut)
    return answers
  }

  async #endSessions(steps: readonly Omit<EndStep, 'kind'>[]): Promise<OwedAnswer[]> {
    const found = await this.#inParts(steps, (part) =>
      evalScript(
        endSessionsScript,
        part.flatMap((step) => this.#sessionKeys(step)),
        [this.#tombstoneMs, ...part.map(({ origin }) => writeMark(origin))],
      ),
    )
    return steps.map(({ issuer, sessionId }, i) => readOwed(found[i], issuer, sessionId))
  }

  async #endUser(step: Extract<RegistryStep, { kind: 'end-user' }>): Promise<RegistryAnswer> {
    const { issuer, userId, registeredUntilMs } = step
    // The records of the user's sessions are in other partitions and may be read later than this one.
    const [, members] = await this.#checked([
      evalScript(
        signOutScript,
        [this.#keys.signedOut(issuer, userId)],
        [writeMark(step.origin, step.occurredAtMs), step.occurredAtMs, this.#tombstoneMs],
      ),
      ['SMEMBERS', this.#keys.user(issuer, userId)],
    ])
    const sessions = members as string[]
    // Read first, then end: a session whose registrations are all of a later login must not be marked.
    const replies = await this.#checked(
      sessions.map((sessionId) => ['HGETALL', this.#keys.session(issuer, sessionId)]),
    )
    const ended = sessions.filter((sessionId, i) => {
      const { registrations, broken } = readOwed(replies[i], issuer, sessionId)
      return broken.length > 0 || registrations.some((it) => isUntil(it, registeredUntilMs))
    })
    const again = await this.#endSessions(
      ended.map((sessionId) => ({ issuer, sessionId, origin: step.origin })),
    )
    const registrations: Registration[] = []
    const broken: BrokenRegistration[] = []
    for (const found of again) {
      registrations.push(...found.registrations.filter((it) => it.userId === userId))
      broken.push(...found.broken)
    }
    return { kind: 'owed', registrations, broken }
  }

  /** A script call for many sessions at once; resolves with its answer for each, in order. */
  async #inParts<T>(sessions: readonly T[], call: (part: T[]) => RedisCommand): Promise<unknown[]> {
    return (await this.#checked(inParts(sessions, call))).flat()
  }

  /** The replies, if the store still held the registry after the last of them. */
  async #checked(commands: readonly RedisCommand[]): Promise<unknown[]> {
    if (this.#guard === undefined || commands.length === 0) return this.#redis.pipeline(commands)
    const replies = await this.#redis.pipeline([...commands, ['GET', this.#keys.epoch()]])
    if (this.#guard.accepts(replies.pop())) return replies
    throw new RelayFault('LR_REGISTRY_LOST', 'Redis has lost the registry, which is built anew')
  }

  #registrationKeys({ issuer, sessionId, userId }: Registration): string[] {
    const user = [this.#keys.user(issuer, userId), this.#keys.signedOut(issuer, userId)]
    return [...this.#sessionKeys({ issuer, sessionId }), ...user]
  }

  #sessionKeys({ issuer, sessionId }: { issuer: string; sessionId: string }): [string, string] {
    return [this.#keys.session(issuer, sessionId), this.#keys.ended(issuer, sessionId)]
  }
}

function inParts<T>(sessions: readonly T[], call: (part: T[]) => RedisCommand): RedisCommand[] {
  const calls: RedisCommand[] = []
  for (let i = 0; i < sessions.length; i += SCRIPT_SESSIONS_MAX)
    calls.push(call(sessions.slice(i, i + SCRIPT_SESSIONS_MAX)))
  return calls
}

/** One entry per session, whatever number of its registrations were settled. */
function bySession(keys: readonly RegistrationKey[]): { first: RegistrationKey; ids: string[] }[] {
  const sessions = new Map<string, { first: RegistrationKey; ids: string[] }>()
  for (const key of keys) {
    const name = `${key.issuer}\n${key.sessionId}`
    const session = sessions.get(name)
    if (session === undefined) sessions.set(name, { first: key, ids: [key.oidcSessionId] })
    else session.ids.push(key.oidcSessionId)
  }
  return [...sessions.values()]
}

function isUntil(registration: Registration, untilMs: number): boolean {
  return registration.registeredAtMs === undefined || registration.registeredAtMs <= untilMs
}
