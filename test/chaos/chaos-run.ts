import type { InputRecord } from '../support/input-record.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import type { ChaosSite } from './chaos-site.ts'
import { type FormSettings, forms } from './form-settings.ts'
import { holdsWithin } from './poll.ts'
import type { ByForm, Form, Scenery } from './scenario.ts'
import type { SeededRandom } from './seeded-random.ts'
import {
  type ChaosSession,
  countRegistrations,
  makeSessions,
  makeTenantSessions,
  REGISTRATIONS_PER_SESSION,
  registerInRedis,
  registrationRecords,
  triggerRecord,
} from './workload.ts'

const STANDSTILL_MS_MAX = 1_000
const STANDSTILL_LOOK_MS = 20

export interface RunOptions {
  readonly deliveries: number
  readonly form: Form
  readonly random: SeededRandom
  readonly say: (progress: string) => void
}

export interface PublishOptions {
  /** All at once unless given. */
  readonly perSecond?: number
  /** Which part of the sessions, from 0 to 1. All of them unless given. */
  readonly from?: number
  readonly to?: number
}

/** One scenario under way: its site, the sessions that are registered there, and what the faults so far allow. */
export class ChaosRun {
  readonly site: ChaosSite
  readonly form: Form
  readonly settings: FormSettings
  readonly random: SeededRandom
  readonly say: (progress: string) => void
  readonly sessions: readonly ChaosSession[]
  /** What a scenario saw that must not be, beside the invariants. */
  readonly problems: string[] = []
  readonly #ended = new Set<ChaosSession>()
  readonly #over = new Set<ChaosSession>()
  #duplicatesMax = 0

  constructor(site: ChaosSite, { deliveries, form, random, say }: RunOptions) {
    this.site = site
    this.form = form
    this.settings = forms[form]
    this.random = random
    this.say = say
    const count = Math.ceil(deliveries / REGISTRATIONS_PER_SESSION)
    const make = site.issuerFiles === undefined ? makeSessions : makeTenantSessions
    this.sessions = make(count, site.ledger.relyingParties)
  }

  get deliveries(): number {
    return this.sessions.length * REGISTRATIONS_PER_SESSION
  }

  /** Of which we have written that they have ended. */
  get ended(): readonly ChaosSession[] {
    return [...this.#ended]
  }

  /** Of which we have written nothing of the kind. */
  get living(): readonly ChaosSession[] {
    return this.sessions.filter((session) => !this.#ended.has(session) && !this.#over.has(session))
  }

  get duplicatesMax(): number {
    return this.#duplicatesMax
  }

  pick<T>(values: ByForm<T>): T {
    return values[this.form]
  }

  /** Only what is on the topic can be built again when Redis is lost. */
  async register(where: Scenery['registrations'] = 'in-redis'): Promise<void> {
    if (where === 'in-redis') await registerInRedis(this.site.redis, this.site.name, this.sessions)
    else if (where === 'records') await this.logIn()
  }

  /** Puts the registrations of these sessions on the topic. */
  async logIn({ perSecond, ...part }: PublishOptions = {}): Promise<void> {
    await this.#write(this.#part(part).flatMap(registrationRecords), perSecond)
  }

  /** Puts the triggers of these sessions on the topic. */
  async publish({ perSecond, ...part }: PublishOptions = {}): Promise<void> {
    await this.#write(this.end(part), perSecond)
  }

  /** The triggers of these sessions, for whoever writes them otherwise. */
  end(part: Omit<PublishOptions, 'perSecond'> = {}): InputRecord[] {
    const sessions = this.#part(part)
    for (const session of sessions) this.#ended.add(session)
    return sessions.map(triggerRecord)
  }

  /** Logins and logouts of the first sessions, of which no relay has to tell anybody: there was none yet. */
  logOutBefore(share: number): InputRecord[] {
    const sessions = this.#part({ to: share })
    for (const session of sessions) this.#over.add(session)
    return sessions.flatMap((session) => [...registrationRecords(session), triggerRecord(session)])
  }

  /** Resolves when the group has read the topic to its end. */
  async caughtUp(): Promise<void> {
    const { log, name } = this.site
    const isRead = async () => (await log.lag(name, name)) === 0
    if (!(await holdsWithin(isRead, this.settings.settleMs)))
      throw new Error('the topic is not read to its end')
  }

  /** Resolves when that share of all deliveries has been accepted. */
  async delivered(share: number): Promise<void> {
    const distinctMin = Math.floor(this.deliveries * share)
    await this.site.ledger.waitFor({ distinctMin }, this.settings.settleMs)
  }

  /** The first of the relying parties, as numbers of their origins. */
  firstOrigins(share: number): number[] {
    const origins = this.site.ledger.relyingParties.map(({ origin }) => origin)
    return origins.slice(0, Math.round(origins.length * share))
  }

  /**
   * SIGKILL. What an RP has accepted at that moment and nobody has noted yet may be sent again, and nothing else may.
   * All relays stand still while that is counted, from outside, so that the count is neither too high nor too low.
   */
  async killRelay(relay: RelayProcess): Promise<void> {
    const { relays } = this.site
    for (const running of relays.running) running.signal('SIGSTOP')
    // The others' are among them, so the bound of one relay still holds.
    const inFlight = Math.min(await this.#acceptedAndNotNoted(), this.#heldMax)
    this.#duplicatesMax += inFlight
    this.say(`a relay is killed, ${inFlight} deliveries are in flight`)
    await relays.kill(relay)
    for (const running of relays.running) running.signal('SIGCONT')
  }

  /** So many relays were hit by a fault after which what they had in memory may be sent again. */
  allowInFlight(relays: number): void {
    this.#duplicatesMax += relays * this.#heldMax
  }

  /**
   * What one relay may hold: the last record that finds room may bring more than there are places, and what is claimed
   * from the backlog has places of its own.
   */
  get #heldMax(): number {
    const { maxUnsettled } = this.settings
    return maxUnsettled + REGISTRATIONS_PER_SESSION - 1 + Math.ceil(maxUnsettled / 2)
  }

  #part({ from = 0, to = 1 }: Omit<PublishOptions, 'perSecond'>): readonly ChaosSession[] {
    const count = this.sessions.length
    return this.sessions.slice(Math.round(from * count), Math.round(to * count))
  }

  async #write(records: readonly InputRecord[], perSecond: number | undefined): Promise<void> {
    const { log, name } = this.site
    if (perSecond === undefined) await log.publish(name, records)
    else await log.publishAtRate(name, records, perSecond)
  }

  async #acceptedAndNotNoted(): Promise<number> {
    const { ledger, name, redis } = this.site
    // What the relays have sent may still be on its way to the RPs.
    let accepted = -1
    await holdsWithin(
      async () => {
        const before = accepted
        accepted = (await ledger.summary()).distinct
        return accepted === before
      },
      STANDSTILL_MS_MAX,
      STANDSTILL_LOOK_MS,
    )
    const noted = this.deliveries - (await countRegistrations(redis, name, this.sessions))
    return accepted - noted
  }
}
