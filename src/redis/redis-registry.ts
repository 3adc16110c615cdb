import { type Registration, readRegistration, writeRegistration } from '../events/registration.ts'
import type { TriggerOrigin } from '../events/trigger.ts'
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

export interface RedisRegistryOptions {
  readonly redis: RedisConnection
  readonly keys: RedisKeys
  /** How long a registration lives when nothing ends its session. Milliseconds. */
  readonly sessionLifetimeMs: number
  /** How long it is remembered that a session ended. Milliseconds. */
  readonly tombstoneMs: number
}

type SessionStep = Exclude<RegistryStep, { kind: 'end-user' }>
type RegisterStep = Extract<RegistryStep, { kind: 'register' }>
type EndStep = Extract<RegistryStep, { kind: 'end-session' }>
type OwedAnswer = Extract<RegistryAnswer, { kind: 'owed' }>

/** Redis does nothing else while a script runs; that many take less than a millisecond. */
const SCRIPT_SESSIONS_MAX = 128

/** The registry in Redis: a hash per session, so that a trigger costs one command whatever number of RPs it has. */
export class RedisRegistry implements Registry {
  readonly #redis: RedisConnection
  readonly #keys: RedisKeys
  readonly #sessionLifetimeMs: number
  readonly #tombstoneMs: number

  constructor({ redis, keys, sessionLifetimeMs, tombstoneMs }: RedisRegistryOptions) {
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
    const left = await this.#inParts(sessions, (part) =>
      evalScript(
        settleScript,
        part.flatMap(({ first }) => this.#sessionKeys(first)),
        part.flatMap(({ ids }) => [ids.length, ...ids]),
      ),
    )
    // An ended session without registrations needs no place among its user's sessions any more.
    const emptied = sessions.filter(({ first }, i) => left[i] === 0 && first.userId !== undefined)
    await this.#inParts(emptied, (part) =>
      evalScript(
        leaveUserScript,
        part.map(({ first }) => this.#keys.user(first.issuer, first.userId as string)),
        part.map(({ first }) => first.sessionId),
      ),
    )
  }

  async forget(settled: readonly RegistrationKey[]): Promise<void> {
    await this.#redis.pipeline(
      bySession(settled).map(({ first, ids }) =>
        evalScript(forgetScript, this.#sessionKeys(first), [this.#tombstoneMs, ...ids]),
      ),
    )
  }

  async find(keys: readonly RegistrationKey[]): Promise<(Registration | BrokenRegistration | undefined)[]> {
    const values = await this.#redis.pipeline(
      keys.map((key) => ['HGET', this.#keys.session(key.issuer, key.sessionId), key.oidcSessionId]),
    )
    return keys.map((key, i) => {
      const value = values[i]
      return typeof value === 'string' ? parse(value, key) : undefined
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

  async #register(steps: readonly RegisterStep[]): Promise<RegistryAnswer[]> {
    const replies = await this.#redis.pipeline(
      steps.flatMap(({ registration }) => this.#registerCommands(registration)),
    )
    const signedOut: EndStep[] = []
    const answers = steps.map(({ registration, origin }, i): RegistryAnswer => {
      const [ended, signedOutMark] = [replies[4 * i + 2], replies[4 * i + 3]]
      if (typeof ended !== 'string') return { kind: 'already-settled' }
      if (ended !== '') return { kind: 'registered', endedBy: readMark(ended)?.origin ?? origin }
      const mark = typeof signedOutMark === 'string' ? readMark(signedOutMark) : undefined
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
    return steps.map(({ issuer, sessionId }, i) => owed(found[i], issuer, sessionId))
  }

  async #endUser(step: Extract<RegistryStep, { kind: 'end-user' }>): Promise<RegistryAnswer> {
    const { issuer, userId, registeredUntilMs } = step
    // The records of the user's sessions are in other partitions and may be read later than this one.
    const [, members] = await this.#redis.pipeline([
      evalScript(
        signOutScript,
        [this.#keys.signedOut(issuer, userId)],
        [writeMark(step.origin, step.occurredAtMs), step.occurredAtMs, this.#tombstoneMs],
      ),
      ['SMEMBERS', this.#keys.user(issuer, userId)],
    ])
    const sessions = members as string[]
    // Read first, then end: a session whose registrations are all of a later login must not be marked.
    const replies = await this.#redis.pipeline(
      sessions.map((sessionId) => ['HGETALL', this.#keys.session(issuer, sessionId)]),
    )
    const ended = sessions.filter((sessionId, i) => {
      const { registrations, broken } = owed(replies[i], issuer, sessionId)
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

  /**
   * The user's set comes first: a registration that cannot be found by its user would survive a sign-out. The look
   * for a sign-out comes last: one that missed the registration had left its mark by then.
   */
  #registerCommands(registration: Registration): RedisCommand[] {
    const { issuer, sessionId, oidcSessionId, userId } = registration
    const user = this.#keys.user(issuer, userId)
    return [
      ['SADD', user, sessionId],
      ['PEXPIRE', user, this.#sessionLifetimeMs],
      evalScript(registerScript, this.#sessionKeys(registration), [
        oidcSessionId,
        writeRegistration(registration),
        this.#sessionLifetimeMs,
      ]),
      ['GET', this.#keys.signedOut(issuer, userId)],
    ]
  }

  /** A script call for many sessions at once; resolves with its answer for each, in order. */
  async #inParts<T>(sessions: readonly T[], call: (part: T[]) => RedisCommand): Promise<unknown[]> {
    const calls: RedisCommand[] = []
    for (let i = 0; i < sessions.length; i += SCRIPT_SESSIONS_MAX)
      calls.push(call(sessions.slice(i, i + SCRIPT_SESSIONS_MAX)))
    return (await this.#redis.pipeline(calls)).flat()
  }

  #sessionKeys({ issuer, sessionId }: { issuer: string; sessionId: string }): [string, string] {
    return [this.#keys.session(issuer, sessionId), this.#keys.ended(issuer, sessionId)]
  }
}

/** One script call per session, whatever number of its registrations were settled. */
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

/** Reads a flat list of fields and values. */
function owed(reply: unknown, issuer: string, sessionId: string): OwedAnswer {
  const flat = reply as string[]
  const registrations: Registration[] = []
  const broken: BrokenRegistration[] = []
  for (let i = 0; i < flat.length; i += 2) {
    const found = parse(flat[i + 1] as string, { issuer, sessionId, oidcSessionId: flat[i] as string })
    if ('reason' in found) broken.push(found)
    else registrations.push(found)
  }
  return { kind: 'owed', registrations, broken }
}

/** The key's own ids win over those inside the JSON: they are what was looked up and what will be removed. */
function parse(json: string, key: RegistrationKey): Registration | BrokenRegistration {
  const { issuer, sessionId, oidcSessionId } = key
  let data: unknown
  try {
    data = JSON.parse(json)
  } catch {
    return { issuer, sessionId, oidcSessionId, reason: 'registration: is not JSON', partial: {} }
  }
  const whole =
    typeof data === 'object' && data !== null ? { ...data, issuer, sessionId, oidcSessionId } : data
  const result = readRegistration(whole, issuer)
  if (result.kind === 'registration') return result.registration
  return { issuer, sessionId, oidcSessionId, reason: result.reason, partial: result.partial }
}

interface Mark {
  readonly origin: TriggerOrigin
  /** Registrations made until then are meant; milliseconds since the epoch. */
  readonly untilMs: number
}

function writeMark({ id, topic, partition, offset }: TriggerOrigin, untilMs?: number): string {
  return JSON.stringify([id, topic, partition, offset, ...(untilMs === undefined ? [] : [untilMs])])
}

/** Reads the first line of a tombstone; an identity provider may have written another one, which tells nothing. */
function readMark(line: string): Mark | undefined {
  try {
    const [id, topic, partition, offset, untilMs] = JSON.parse(line) as [
      string,
      string,
      number,
      number,
      number?,
    ]
    return typeof id === 'string'
      ? { origin: { id, topic, partition, offset }, untilMs: untilMs ?? 0 }
      : undefined
  } catch {
    return undefined
  }
}
