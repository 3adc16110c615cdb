import type { Registration } from '../../src/events/registration.ts'
import type { TriggerOrigin } from '../../src/events/trigger.ts'
import type {
  HeldRegistration,
  RegistrationKey,
  Registry,
  RegistryAnswer,
  RegistryStep,
} from '../../src/registry/registry.ts'

type EndUser = Extract<RegistryStep, { kind: 'end-user' }>

interface Session {
  readonly issuer: string
  readonly sessionId: string
  readonly registrations: Map<string, HeldRegistration>
  /** Set when the session has ended: the trigger, and what was settled since. */
  endedBy: TriggerOrigin | undefined
  readonly settled: Set<string>
}

/** The registry as one would explain it: a map of sessions and a list of sign-outs. Nothing in it expires. */
export class MemoryRegistry implements Registry {
  readonly #sessions = new Map<string, Session>()
  readonly #signOuts: EndUser[] = []

  async apply(steps: readonly RegistryStep[]): Promise<RegistryAnswer[]> {
    return steps.map((step) => {
      switch (step.kind) {
        case 'register':
          return this.#register(step.registration)
        case 'end-session':
          return { kind: 'owed', registrations: this.#end(this.#session(step), step.origin), broken: [] }
        case 'end-user':
          return { kind: 'owed', registrations: this.#endUser(step), broken: [] }
        default:
          return step satisfies never
      }
    })
  }

  async notePending(decided: Parameters<Registry['notePending']>[0]): Promise<void> {
    for (const { pendingOutcome, ...key } of decided) {
      const { registrations } = this.#session(key)
      const registration = registrations.get(key.oidcSessionId)
      if (registration === undefined || registration.pendingOutcome !== undefined) continue
      registrations.set(key.oidcSessionId, { ...registration, pendingOutcome })
    }
  }

  async settle(settled: readonly RegistrationKey[]): Promise<void> {
    for (const key of settled) {
      const session = this.#session(key)
      session.registrations.delete(key.oidcSessionId)
      if (session.endedBy !== undefined) session.settled.add(key.oidcSessionId)
    }
  }

  async forget(settled: readonly RegistrationKey[]): Promise<void> {
    for (const key of settled) {
      const session = this.#session(key)
      if (!session.registrations.delete(key.oidcSessionId)) session.settled.add(key.oidcSessionId)
    }
  }

  async find(keys: readonly RegistrationKey[]): Promise<(HeldRegistration | undefined)[]> {
    return keys.map((key) => this.#session(key).registrations.get(key.oidcSessionId))
  }

  #register(registration: Registration): RegistryAnswer {
    const session = this.#session(registration)
    if (session.settled.has(registration.oidcSessionId)) return { kind: 'already-settled' }
    session.registrations.set(registration.oidcSessionId, registration)
    if (session.endedBy === undefined) {
      const signOut = this.#signOuts.find(
        ({ issuer, userId, occurredAtMs }) =>
          issuer === registration.issuer &&
          userId === registration.userId &&
          isUntil(registration, occurredAtMs),
      )
      if (signOut === undefined) return { kind: 'registered' }
      this.#end(session, signOut.origin)
    }
    return { kind: 'registered', ...(session.endedBy !== undefined && { endedBy: session.endedBy }) }
  }

  #endUser(step: EndUser): HeldRegistration[] {
    this.#signOuts.push(step)
    const owed: HeldRegistration[] = []
    for (const session of this.#sessions.values()) {
      const mine = [...session.registrations.values()].filter(
        ({ issuer, userId }) => issuer === step.issuer && userId === step.userId,
      )
      if (!mine.some((registration) => isUntil(registration, step.registeredUntilMs))) continue
      this.#end(session, step.origin)
      owed.push(...mine)
    }
    return owed
  }

  #end(session: Session, by: TriggerOrigin): HeldRegistration[] {
    session.endedBy ??= by
    return [...session.registrations.values()]
  }

  #session({ issuer, sessionId }: Pick<RegistrationKey, 'issuer' | 'sessionId'>): Session {
    const name = JSON.stringify([issuer, sessionId])
    let session = this.#sessions.get(name)
    if (session === undefined) {
      session = { issuer, sessionId, registrations: new Map(), endedBy: undefined, settled: new Set() }
      this.#sessions.set(name, session)
    }
    return session
  }
}

function isUntil({ registeredAtMs }: Registration, untilMs: number): boolean {
  return registeredAtMs === undefined || registeredAtMs <= untilMs
}
