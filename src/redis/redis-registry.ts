import { type Registration, writeRegistration } from '../events/registration.ts'
import { type Ending, groupsOf, isDatedUntil, type OwedGroup } from '../registry/ending.ts'
import type { EpochGuard } from '../registry/epoch-guard.ts'
import type {
  BrokenRegistration,
  HeldRegistration,
  RegistrationKey,
  Registry,
  RegistryAnswer,
  RegistryStep,
} from '../registry/registry.ts'
import { lifeUntil } from './lives.ts'
import type { RedisCommand, RedisConnection } from './redis-connection.ts'
import { RedisEndings } from './redis-endings.ts'
import type { RedisKeys } from './redis-keys.ts'
import { evalScript } from './redis-script.ts'
import { endSessionsScript, registerScript, signOutScript } from './registry-scripts.ts'
import { SessionCalls } from './session-calls.ts'
import { readMark, writeMark } from './session-mark.ts'
import { readSession, readStored, type StoredSession, unreadableSession } from './stored-registration.ts'
import { sessionsOfUser } from './user-index.ts'

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
type EndStep = Omit<Extract<RegistryStep, { kind: 'end-session' }>, 'kind'>

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
    this.#endings = new RedisEndings({ redis, keys, sessionLifetimeMs, tombstoneMs, calls: this.#calls })
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

  forget(settled: Parameters<Registry['forget']>[0]): Promise<void> {
    return this.#endings.forget(settled)
  }

  areSettled(keys: readonly RegistrationKey[]): Promise<boolean[]> {
    return this.#endings.areSettled(keys)
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
          ? (await this.#endSessions(run as EndStep[])).map(
              (groups): RegistryAnswer => ({
                kind: 'owed',
                groups,
              }),
            )
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
   * The user's index comes before the session: a registration that cannot be found by its user would survive a sign-out.
   * The look for a sign-out comes last: one that missed the registration had left its mark by then.
   */
  async #register(steps: readonly RegisterStep[]): Promise<RegistryAnswer[]> {
    const replies = await this.#calls.guarded(steps, (part) =>
      evalScript(
        registerScript,
        part.flatMap(({ registration }) => this.#registrationKeys(registration)),
        [
          this.#sessionLifetimeMs,
          Date.now(),
          ...part.flatMap(({ registration }) => [
            registration.sessionId,
            registration.oidcSessionId,
            writeRegistration(registration),
            registration.registeredAtMs ?? '',
          ]),
        ],
      ),
    )
    const signedOut: { at: number; step: EndStep }[] = []
    const answers = steps.map(({ registration, origin }, i): RegistryAnswer => {
      const [line, signOut, stood] = replies.slice(3 * i, 3 * i + 3)
      if (typeof line !== 'string') return { kind: 'already-settled' }
      const isRepeated = stood === 1 && { isRepeated: true }
      if (line === '' && signOut === '') return { kind: 'registered', ...isRepeated }
      const own = ownEnding(registration, origin)
      if (line !== '') return { kind: 'registered', ...isRepeated, endedBy: readMark(line, own) ?? own }
      const ending = readMark(String(signOut), own)
      if (ending === undefined || !isDatedUntil(registration, ending.untilMs))
        return { kind: 'registered', ...isRepeated }
      signedOut.push({ at: i, step: { ...registration, ending } })
      return { kind: 'registered', ...isRepeated, endedBy: ending }
    })
    const ended = await this.#endSessions(signedOut.map(({ step }) => step))
    for (const [i, { at }] of signedOut.entries()) {
      // Between the two calls another trigger may have ended the session.
      const { registration } = steps[at] as RegisterStep
      const endedBy = ended[i]?.find(({ registrations }) =>
        registrations.some(({ oidcSessionId }) => oidcSessionId === registration.oidcSessionId),
      )?.ending
      if (endedBy !== undefined) answers[at] = { ...answers[at], kind: 'registered', endedBy }
    }
    return answers
  }

  #endSessions(steps: readonly EndStep[]): Promise<readonly OwedGroup[][]> {
    return this.#calls.skippingForeign(
      steps,
      (step) => step,
      (sound) => this.#endSoundSessions(sound),
      (step) => [{ relation: 'fresh' as const, ending: step.ending, ...unreadableSession(step) }],
    )
  }

  async #endSoundSessions(steps: readonly EndStep[]): Promise<OwedGroup[][]> {
    const now = Date.now()
    const found = await this.#calls.guarded(steps, (part) =>
      evalScript(
        endSessionsScript,
        part.flatMap((step) => this.#calls.keysOf(step)),
        [
          this.#tombstoneMs,
          ...part.flatMap(({ ending }) => [
            writeMark(ending),
            lifeUntil(ending.deadlineMs ?? now + this.#tombstoneMs, now),
          ]),
        ],
      ),
    )
    return steps.map(({ ending, issuer, sessionId }, i) => {
      const standing = found[2 * i] === '' ? [] : (found[2 * i] as string).split('\n')
      const marks = standing.flatMap((line) => readMark(line, ending) ?? [])
      return groupsOf(readSession(found[2 * i + 1], issuer, sessionId), ending, marks)
    })
  }

  async #endUser(step: Extract<RegistryStep, { kind: 'end-user' }>): Promise<RegistryAnswer> {
    const { issuer, userId, ending } = step
    const [mark, index] = [this.#keys.signedOut(issuer, userId), this.#keys.user(issuer, userId)]
    // The records of the user's sessions are in other partitions and may be read later than this one.
    let before: RedisCommand[] = [
      evalScript(
        signOutScript,
        [mark, index],
        [writeMark(ending), ending.untilMs, this.#tombstoneMs, Date.now() + this.#sessionLifetimeMs],
      ),
    ]
    const run = async (command: RedisCommand): Promise<unknown> => {
      const commands = [...before, command]
      before = []
      return (await this.#calls.checked(commands)).at(-1)
    }
    const groups: OwedGroup[] = []
    const seen = new Set<string>()
    for await (const page of sessionsOfUser(run, index)) {
      const fresh = page.filter((sessionId) => !seen.has(sessionId))
      for (const sessionId of fresh) seen.add(sessionId)
      for (const owed of await this.#endSessionsOf(fresh, step)) {
        const registrations = owed.registrations.filter((it) => it.userId === userId)
        if (registrations.length + owed.broken.length > 0) groups.push({ ...owed, registrations })
      }
    }
    return { kind: 'owed', groups }
  }

  /** Read first, then end: a session whose registrations are all of a later login must not be marked. */
  async #endSessionsOf(
    sessionIds: readonly string[],
    { issuer, ending }: Extract<RegistryStep, { kind: 'end-user' }>,
  ): Promise<OwedGroup[]> {
    const steps = sessionIds.map((sessionId): EndStep => ({ issuer, sessionId, ending }))
    const stored = await this.#calls.skippingForeign(
      steps,
      (step) => step,
      async (sound) => {
        const replies = await this.#calls.checked(
          sound.map(({ sessionId }) => ['HGETALL', this.#keys.session(issuer, sessionId)]),
        )
        return sound.map(({ sessionId }, i) => readSession(replies[i], issuer, sessionId))
      },
      unreadableSession,
    )
    const ended = steps.filter((_, i) => isMeant(stored[i] as StoredSession, ending))
    return (await this.#endSessions(ended)).flat()
  }

  #registrationKeys({ issuer, sessionId, userId }: Registration): string[] {
    const user = [this.#keys.user(issuer, userId), this.#keys.signedOut(issuer, userId)]
    return [...this.#calls.keysOf({ issuer, sessionId }), ...user]
  }
}

function isMeant({ registrations, broken }: StoredSession, { untilMs }: Ending): boolean {
  return broken.length > 0 || registrations.some((it) => isDatedUntil(it, untilMs))
}

/** Of a session that somebody else has marked as ended: the registration itself is all that is known of it. */
function ownEnding({ registeredAtMs = Date.now() }: Registration, origin: Ending['origin']): Ending {
  return { origin, occurredAtMs: registeredAtMs, untilMs: registeredAtMs, everywhere: false }
}
