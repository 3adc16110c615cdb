import { type Registration, writeRegistration } from '../events/registration.ts'
import type { EpochGuard } from '../registry/epoch-guard.ts'
import type {
  BrokenRegistration,
  HeldRegistration,
  RegistrationKey,
  Registry,
  RegistryAnswer,
  RegistryStep,
} from '../registry/registry.ts'
import type { RedisConnection } from './redis-connection.ts'
import { RedisEndings } from './redis-endings.ts'
import type { RedisKeys } from './redis-keys.ts'
import { evalScript } from './redis-script.ts'
import { endSessionsScript, registerScript, signOutScript } from './registry-scripts.ts'
import { SessionCalls } from './session-calls.ts'
import { readMark, writeMark } from './session-mark.ts'
import { type OwedAnswer, readOwed, readStored, unreadableSession } from './stored-registration.ts'

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

/** The registry in Redis: a hash per session, so that a trigger costs one command whatever number of RPs it has. */
export class RedisRegistry implements Registry {
  readonly #keys: RedisKeys
  readonly #sessionLifetimeMs: number
  readonly #tombstoneMs: number
  readonly #calls: SessionCalls
  readonly #endings: RedisEndings

  constructor({ redis, keys, sessionLifetimeMs, tombstoneMs, guard }: RedisRegistryOptions) {
    this.#calls = new SessionCalls(redis, keys, guard)
    this.#keys = keys
    this.#sessionLifetimeMs = sessionLifetimeMs
    this.#tombstoneMs = tombstoneMs
    this.#endings = new RedisEndings({ redis, keys, tombstoneMs, calls: this.#calls })
    redis.register(registerScript, endSessionsScript, signOutScript)
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

  notePending(decided: Parameters<Registry['notePending']>[0]): Promise<void> {
    return this.#endings.notePending(decided)
  }

  settle(settled: readonly RegistrationKey[]): Promise<void> {
    return this.#endings.settle(settled)
  }

  forget(settled: readonly RegistrationKey[]): Promise<void> {
    return this.#endings.forget(settled)
  }

  async find(
    keys: readonly RegistrationKey[],
  ): Promise<(HeldRegistration | BrokenRegistration | undefined)[]> {
    const values = await this.#calls.checked(
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
        ...(isEnd
          ? await this.#endSessions(run as EndStep[])
          : await this.#calls.skippingForeign(
              run as RegisterStep[],
              ({ registration }) => registration,
              (sound) => this.#register(sound),
              (): RegistryAnswer => ({ kind: 'refused' }),
            )),
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
    const replies = await this.#calls.guarded(steps, (part) =>
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

  #endSessions(steps: readonly Omit<EndStep, 'kind'>[]): Promise<OwedAnswer[]> {
    return this.#calls.skippingForeign(
      steps,
      (step) => step,
      (sound) => this.#endSoundSessions(sound),
      unreadableSession,
    )
  }

  async #endSoundSessions(steps: readonly Omit<EndStep, 'kind'>[]): Promise<OwedAnswer[]> {
    const found = await this.#calls.guarded(steps, (part) =>
      evalScript(
        endSessionsScript,
        part.flatMap((step) => this.#calls.keysOf(step)),
        [this.#tombstoneMs, ...part.map(({ origin }) => writeMark(origin))],
      ),
    )
    return steps.map(({ issuer, sessionId }, i) => readOwed(found[i], issuer, sessionId))
  }

  async #endUser(step: Extract<RegistryStep, { kind: 'end-user' }>): Promise<RegistryAnswer> {
    const { issuer, userId, registeredUntilMs } = step
    // The records of the user's sessions are in other partitions and may be read later than this one.
    const [, members] = await this.#calls.checked([
      evalScript(
        signOutScript,
        [this.#keys.signedOut(issuer, userId)],
        [writeMark(step.origin, step.occurredAtMs), step.occurredAtMs, this.#tombstoneMs],
      ),
      ['SMEMBERS', this.#keys.user(issuer, userId)],
    ])
    const sessions = members as string[]
    // Read first, then end: a session whose registrations are all of a later login must not be marked.
    const replies = await this.#calls.checked(
      sessions.map((sessionId) => ['HGETALL', this.#keys.session(issuer, sessionId)]),
    )
    const ended = sessions.filter((sessionId, i) => {
      const { registrations, broken } = readOwed(replies[i], issuer, sessionId)
      return broken.length > 0 || registrations.some((it) => isUntil(it, registeredUntilMs))
    })
    const again = await this.#endSessions(
      ended.map((sessionId) => ({ issuer, sessionId, origin: step.origin })),
    )
    const registrations: HeldRegistration[] = []
    const broken: BrokenRegistration[] = []
    for (const found of again) {
      registrations.push(...found.registrations.filter((it) => it.userId === userId))
      broken.push(...found.broken)
    }
    return { kind: 'owed', registrations, broken }
  }

  #registrationKeys({ issuer, sessionId, userId }: Registration): string[] {
    const user = [this.#keys.user(issuer, userId), this.#keys.signedOut(issuer, userId)]
    return [...this.#calls.keysOf({ issuer, sessionId }), ...user]
  }
}

function isUntil(registration: Registration, untilMs: number): boolean {
  return registration.registeredAtMs === undefined || registration.registeredAtMs <= untilMs
}
