import type { ClientChange } from '../../src/events/client.ts'
import type { SettledByLog } from '../../src/events/outcome.ts'
import type { Registration } from '../../src/events/registration.ts'
import { isSameOrigin } from '../../src/events/trigger.ts'
import type { TriggerStep } from '../../src/intake/trigger-step.ts'
import {
  appliesTo,
  covers,
  type Ending,
  endingOfOutcome,
  groupsOf,
  type OwedGroup,
} from '../../src/registry/ending.ts'
import type {
  HeldRegistration,
  RegistrationKey,
  Registry,
  RegistryAnswer,
  RegistryStep,
} from '../../src/registry/registry.ts'

/** Tests live at times of their own: every date is believed. */
const ANY_TIME = Number.POSITIVE_INFINITY

type EndUser = Extract<RegistryStep, { kind: 'end-user' }>

interface Session {
  readonly issuer: string
  readonly sessionId: string
  readonly registrations: Map<string, HeldRegistration>
  /** How it has ended, with ever later cut-offs. */
  readonly endings: Ending[]
  /** Up to which date the registrations of a name are settled. */
  readonly settled: Map<string, number>
}

/** The registry as one would explain it: a map of sessions and a list of sign-outs. Nothing in it expires. */
export class MemoryRegistry implements Registry {
  /** What was said of clients, in order. */
  readonly configured: ClientChange[] = []
  readonly #sessions = new Map<string, Session>()
  readonly #signOuts: EndUser[] = []

  async apply(steps: readonly RegistryStep[]): Promise<RegistryAnswer[]> {
    return steps.map((step) => {
      switch (step.kind) {
        case 'register':
          return this.#register(step.registration)
        case 'end-session':
          return { kind: 'owed', groups: this.#end(this.#session(step), step.ending) }
        case 'end-user':
          return { kind: 'owed', groups: this.#endUser(step) }
        case 'configure-client':
          this.configured.push(step.change)
          return { kind: 'configured' }
        default:
          return step satisfies never
      }
    })
  }

  async notePending(decided: Parameters<Registry['notePending']>[0]): Promise<void> {
    for (const { pendingOutcome, ...key } of decided) {
      const { registrations } = this.#session(key)
      const held = registrations.get(key.oidcSessionId)
      if (held === undefined || held.pendingOutcome !== undefined) continue
      if (isDated(held, key.registeredAtMs)) registrations.set(key.oidcSessionId, { ...held, pendingOutcome })
    }
  }

  async settle(settled: readonly RegistrationKey[]): Promise<void> {
    for (const key of settled) {
      const { endings, registrations, settled: known } = this.#session(key)
      const untilMs = key.registeredAtMs ?? endings[0]?.untilMs
      const held = registrations.get(key.oidcSessionId)
      if (held !== undefined && isDated(held, untilMs)) registrations.delete(key.oidcSessionId)
      if (endings.length > 0) note(known, key.oidcSessionId, untilMs)
    }
  }

  async forget(settled: readonly SettledByLog[]): Promise<void> {
    for (const outcome of settled) {
      const session = this.#session(outcome)
      const { oidcSessionId, registeredAtMs } = outcome
      const held = session.registrations.get(oidcSessionId)
      if ((held?.reopenedAtMs ?? Number.NEGATIVE_INFINITY) >= outcome.recordedAtMs) continue
      if (held !== undefined && isDated(held, registeredAtMs)) session.registrations.delete(oidcSessionId)
      const ending = endingOfOutcome(outcome)
      if (session.endings.length === 0 && ending !== undefined) session.endings.push(ending)
      note(session.settled, oidcSessionId, registeredAtMs)
    }
  }

  /** As a recovery asks: nothing is marked. */
  async owed(steps: readonly TriggerStep[]): Promise<OwedGroup[][]> {
    return steps.map((step) => {
      const isMeant = (it: Registration) =>
        it.issuer === step.issuer &&
        (step.kind === 'end-session' ? it.sessionId === step.sessionId : it.userId === step.userId)
      return [...this.#sessions.values()].flatMap(({ endings, registrations }) => {
        const mine = [...registrations.values()].filter(isMeant)
        return groupsOf({ registrations: mine, broken: [] }, step.ending, endings, ANY_TIME)
      })
    })
  }

  async find(keys: readonly RegistrationKey[]): Promise<(HeldRegistration | undefined)[]> {
    return keys.map((key) => this.#session(key).registrations.get(key.oidcSessionId))
  }

  async areSettled(keys: readonly RegistrationKey[]): Promise<boolean[]> {
    return keys.map((key) => this.#isSettled(key))
  }

  #register(registration: Registration): RegistryAnswer {
    if (this.#isSettled(registration)) return { kind: 'already-settled' }
    const session = this.#session(registration)
    const held = session.registrations.get(registration.oidcSessionId)
    if (held !== undefined && !isDated(held, registration.registeredAtMs)) return { kind: 'already-settled' }
    const isRepeated = held !== undefined && { isRepeated: true }
    session.registrations.set(registration.oidcSessionId, registration)
    const ended = this.#endingOf(registration, session)
    return { kind: 'registered', ...isRepeated, ...(ended !== undefined && { endedBy: ended }) }
  }

  #endingOf(registration: Registration, session: Session): Ending | undefined {
    const own = session.endings.find((ending) => isUntil(registration, ending))
    if (own !== undefined) return own
    // The latest, and of several the first.
    const signOut = this.#signOuts
      .filter(({ issuer, userId }) => issuer === registration.issuer && userId === registration.userId)
      .reduce<EndUser | undefined>(
        (latest, it) => (latest === undefined || it.ending.untilMs > latest.ending.untilMs ? it : latest),
        undefined,
      )
    if (signOut === undefined || !isUntil(registration, signOut.ending)) return undefined
    this.#end(session, signOut.ending)
    return session.endings.find((ending) => isUntil(registration, ending))
  }

  #endUser(step: EndUser): OwedGroup[] {
    this.#signOuts.push(step)
    const owed: OwedGroup[] = []
    for (const session of this.#sessions.values()) {
      const mine = [...session.registrations.values()].filter(
        ({ issuer, userId }) => issuer === step.issuer && userId === step.userId,
      )
      if (!mine.some((registration) => isUntil(registration, step.ending))) continue
      for (const { registrations, ...group } of this.#end(session, step.ending))
        owed.push({ ...group, registrations: registrations.filter((it) => mine.includes(it)) })
    }
    return owed.filter(({ registrations }) => registrations.length > 0)
  }

  #end({ endings, registrations }: Session, ending: Ending): OwedGroup[] {
    const at = endings.findIndex(({ origin }) => isSameOrigin(origin, ending.origin))
    if (at !== -1 && endings[at]?.deadlineMs === undefined) endings[at] = ending
    const groups = groupsOf(
      { registrations: [...registrations.values()], broken: [] },
      ending,
      endings,
      ANY_TIME,
    )
    if (at === -1 && !endings.some((it) => covers(it, ending))) endings.push(ending)
    return groups
  }

  #isSettled({ oidcSessionId, registeredAtMs = 0, ...key }: RegistrationKey): boolean {
    return (this.#session(key).settled.get(oidcSessionId) ?? Number.NEGATIVE_INFINITY) >= registeredAtMs
  }

  #session({ issuer, sessionId }: Pick<RegistrationKey, 'issuer' | 'sessionId'>): Session {
    const name = JSON.stringify([issuer, sessionId])
    let session = this.#sessions.get(name)
    if (session === undefined) {
      session = { issuer, sessionId, registrations: new Map(), endings: [], settled: new Map() }
      this.#sessions.set(name, session)
    }
    return session
  }
}

function note(settled: Map<string, number>, oidcSessionId: string, untilMs = Number.POSITIVE_INFINITY): void {
  settled.set(oidcSessionId, Math.max(settled.get(oidcSessionId) ?? 0, untilMs))
}

function isUntil(registration: Registration, ending: Ending): boolean {
  return appliesTo(ending, registration, ANY_TIME)
}

/** Made until then, where both dates are known. */
function isDated({ registeredAtMs }: Registration, untilMs: number | undefined): boolean {
  return registeredAtMs === undefined || untilMs === undefined || registeredAtMs <= untilMs
}
