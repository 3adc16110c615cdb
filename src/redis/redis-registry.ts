import { type Registration, writeRegistration } from '../events/registration.ts'
import { systemClock } from '../lib/clock.ts'
import { appliesTo, type Ending } from '../registry/ending.ts'
import type { EpochGuard } from '../registry/epoch-guard.ts'
import type {
  BrokenRegistration,
  HeldRegistration,
  RegistrationKey,
  Registry,
  RegistryAnswer,
  RegistryStep,
} from '../registry/registry.ts'
import { readFieldsScript } from './bounded-reads.ts'
import type { SuspectKeys } from './foreign-keys.ts'
import { type ConfigureStep, RedisClients } from './redis-clients.ts'
import type { RedisConnection } from './redis-connection.ts'
import type { RedisKeys } from './redis-keys.ts'
import { evalScript } from './redis-script.ts'
import { RedisSettlement } from './redis-settlement.ts'
import { registerScript, SESSION_REGISTRATIONS_MAX } from './register-script.ts'
import { SessionCalls } from './session-calls.ts'
import { readMark } from './session-mark.ts'
import { type EndStep, SessionTermination } from './session-termination.ts'
import { readStored, type StoredValue } from './stored-registration.ts'

export interface RedisRegistryOptions {
  readonly redis: RedisConnection
  readonly keys: RedisKeys
  /** In shadow mode settled registrations stay, and are not owed. */
  readonly mode?: 'live' | 'shadow'
  /** Lifetime of a registration whose session does not end. Milliseconds. */
  readonly sessionLifetimeMs: number
  /** How long the end of a session is remembered. Milliseconds. */
  readonly tombstoneMs: number
  /** Refuses steps when the store shows another epoch. A rebuild writes without it. */
  readonly guard?: EpochGuard
}

type BatchedStep = Exclude<RegistryStep, { kind: 'end-user' }>
type RegisterStep = Extract<RegistryStep, { kind: 'register' }>

/** The registry in Redis: a hash per session, so a trigger costs one command for any number of RPs. */
export class RedisRegistry implements Registry {
  readonly #keys: RedisKeys
  readonly #sessionLifetimeMs: number
  readonly #calls: SessionCalls
  readonly #clients: RedisClients
  readonly #termination: SessionTermination
  readonly #settlement: RedisSettlement
  readonly #suspects: SuspectKeys

  constructor({ redis, keys, mode = 'live', sessionLifetimeMs, tombstoneMs, guard }: RedisRegistryOptions) {
    this.#calls = new SessionCalls(redis, keys, guard)
    this.#clients = new RedisClients({ redis, keys, sessionLifetimeMs })
    this.#keys = keys
    this.#sessionLifetimeMs = sessionLifetimeMs
    const parts = { redis, keys, sessionLifetimeMs, tombstoneMs, calls: this.#calls }
    this.#termination = new SessionTermination(parts)
    this.#settlement = new RedisSettlement({ ...parts, mode })
    this.#suspects = redis.suspects
    redis.register(registerScript)
  }

  async apply(steps: readonly RegistryStep[]): Promise<RegistryAnswer[]> {
    const answers: RegistryAnswer[] = []
    let run: BatchedStep[] = []
    for (const step of steps) {
      // The user's sessions are known only after a first answer. So the step runs alone: it must not see later steps of
      // the log.
      if (step.kind === 'end-user') {
        answers.push(...(await this.#applyRun(run)), await this.#termination.endUser(step))
        run = []
      } else run.push(step)
    }
    answers.push(...(await this.#applyRun(run)))
    return answers
  }

  notePending(decided: Parameters<Registry['notePending']>[0]): Promise<void> {
    return this.#settlement.notePending(decided)
  }

  settle(settled: readonly RegistrationKey[]): Promise<void> {
    return this.#settlement.settle(settled)
  }

  forget(...settled: Parameters<Registry['forget']>): Promise<void> {
    return this.#settlement.forget(...settled)
  }

  areSettled(keys: readonly RegistrationKey[]): Promise<boolean[]> {
    return this.#settlement.areSettled(keys)
  }

  async find(
    keys: readonly RegistrationKey[],
  ): Promise<(HeldRegistration | BrokenRegistration | undefined)[]> {
    const values = await this.#calls.evalGuarded(keys, (part) =>
      evalScript(
        readFieldsScript,
        part.map(({ issuer, sessionId }) => this.#keys.session(issuer, sessionId)),
        part.map(({ oidcSessionId }) => oidcSessionId),
      ),
    )
    return keys.map((key, i) => {
      const value = values[i] as StoredValue | null
      return value === null ? undefined : readStored(value, key)
    })
  }

  async #applyRun(steps: readonly BatchedStep[]): Promise<RegistryAnswer[]> {
    const answers: RegistryAnswer[] = []
    for (let i = 0; i < steps.length; ) {
      const { kind } = steps[i] as BatchedStep
      let next = i + 1
      while (next < steps.length && steps[next]?.kind === kind) next++
      answers.push(...(await this.#applyAlike(kind, steps.slice(i, next))))
      i = next
    }
    return answers
  }

  async #applyAlike(kind: BatchedStep['kind'], steps: BatchedStep[]): Promise<RegistryAnswer[]> {
    switch (kind) {
      case 'end-session':
        return this.#termination.endSessions(steps as EndStep[])
      case 'register':
        return this.#calls.runSkippingForeign(
          steps as RegisterStep[],
          ({ registration }) => registration,
          (sound) => this.#register(sound),
          (_, reason): RegistryAnswer => ({ kind: 'refused', reason }),
        )
      case 'configure-client':
        await this.#clients.apply(steps as ConfigureStep[], (commands) =>
          this.#calls.pipelineGuarded(commands, 'tolerantPipeline'),
        )
        return steps.map(() => ({ kind: 'configured' }))
      default:
        return kind satisfies never
    }
  }

  /**
   * Order: user index, session, sign-out mark. A registration missing in the index would survive a sign-out. A sign-out that
   * missed the registration has left its mark before the last read.
   */
  async #register(steps: readonly RegisterStep[]): Promise<RegistryAnswer[]> {
    const replies = await this.#calls.evalGuarded(steps, (part) =>
      evalScript(
        registerScript,
        part.flatMap(({ registration }) => this.#registrationKeys(registration)),
        [
          this.#sessionLifetimeMs,
          systemClock.now(),
          ...part.flatMap(({ registration }) => [
            registration.sessionId,
            registration.oidcSessionId,
            writeRegistration(registration),
            registration.registeredAtMs ?? '',
            registration.userId,
          ]),
        ],
      ),
    )
    const signedOut: { at: number; step: EndStep }[] = []
    const answers = steps.map(({ registration, origin }, i): RegistryAnswer => {
      const [line, signOut, stood] = replies.slice(3 * i, 3 * i + 3)
      if (line === 1) return this.#refuseForSize(registration)
      if (typeof line !== 'string') return { kind: 'already-settled' }
      const flags = Number(stood)
      if (flags > 1) this.#noteForeign(registration, flags)
      const isRepeated = (flags & 1) !== 0 && { isRepeated: true }
      if (line === '' && signOut === '') return { kind: 'registered', ...isRepeated }
      const own = ownEnding(registration, origin)
      if (line !== '') return { kind: 'registered', ...isRepeated, endedBy: readMark(line, own) ?? own }
      const ending = readMark(String(signOut), own)
      if (ending === undefined || !appliesTo(ending, registration))
        return { kind: 'registered', ...isRepeated }
      const { issuer, sessionId } = registration
      signedOut.push({ at: i, step: { issuer, sessionId, ending } })
      return { kind: 'registered', ...isRepeated, endedBy: ending }
    })
    const ended = await this.#termination.endSessions(signedOut.map(({ step }) => step))
    for (const [i, { at }] of signedOut.entries()) {
      // Another trigger may have ended the session between the two calls.
      const { registration } = steps[at] as RegisterStep
      const endedBy = ended[i]?.groups.find(({ registrations }) =>
        registrations.some(({ oidcSessionId }) => oidcSessionId === registration.oidcSessionId),
      )?.ending
      if (endedBy !== undefined) answers[at] = { ...answers[at], kind: 'registered', endedBy }
    }
    return answers
  }

  #refuseForSize({ issuer, sessionId }: Registration): RegistryAnswer {
    this.#suspects.note(this.#keys.session(issuer, sessionId))
    const most = SESSION_REGISTRATIONS_MAX.toLocaleString('en')
    return {
      kind: 'refused',
      reason: `sessionId: this session has the maximum of ${most} registrations`,
    }
  }

  #noteForeign({ issuer, userId }: Registration, flags: number): void {
    if ((flags & 2) !== 0) this.#suspects.note(this.#keys.user(issuer, userId))
    if ((flags & 4) !== 0) this.#suspects.note(this.#keys.signedOut(issuer, userId))
  }

  #registrationKeys({ issuer, sessionId, userId }: Registration): string[] {
    const user = [this.#keys.user(issuer, userId), this.#keys.signedOut(issuer, userId)]
    return [...this.#calls.keysOf({ issuer, sessionId }), ...user]
  }
}

/** The ending of a session with a foreign tombstone. Only the registration is known of it. */
function ownEnding({ registeredAtMs = systemClock.now() }: Registration, origin: Ending['origin']): Ending {
  return { origin, occurredAtMs: registeredAtMs, untilMs: registeredAtMs, everywhere: false }
}
