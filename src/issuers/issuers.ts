import { EgressGuard, type EgressPolicy } from '../egress/egress-guard.ts'
import type { Clock } from '../lib/clock.ts'
import { messageOf, RelayFault } from '../lib/errors.ts'
import { Issuer, type IssuerDefaults } from './issuer.ts'
import { type IssuerSettings, IssuersFault, isPattern, isSameSettings } from './issuer-settings.ts'
import { KeyFileOwners } from './key-file-owners.ts'
import { eventsOf, keyProblems, placed, READ_AT_START_MAX } from './key-problems.ts'
import { RsaThreads } from './signing/rsa-threads.ts'
import type { KeyFileEvents, KeyFileFacts } from './signing/signing-keys.ts'
import { Tenants } from './tenants.ts'

export interface IssuersOptions {
  readonly clock: Clock
  readonly defaults: IssuerDefaults
  /** What all issuers may reach. */
  readonly egress: EgressPolicy
  /**
   * Reads what is configured; `undefined` when it is as it was at the last call. Throws `LR_ISSUERS_INVALID`, which names every
   * problem.
   */
  readonly read: () => Promise<readonly IssuerSettings[] | undefined>
}

export interface IssuersEvents extends KeyFileEvents {
  onIssuersReloaded(count: number): void
  /** At every look while the new version is unusable; `failures` counts the looks that ended in the same way. */
  onIssuersRefused(error: unknown, failures: number): void
}

type Jwk = Readonly<Record<string, unknown>>

/** Key files that are looked at each time; with more of them in use they take turns. */
const LOOKED_AT_ONCE = 50
/** Each takes a kilobyte. */
const REMOVED_MAX = 20_000
/** Issuers without usable keys that are findings: whoever writes records can name tenants. */
const TOLD_WITHOUT_KEYS = 20

/** The issuers that this relay speaks for. */
export class Issuers {
  #listed = new Map<string, Issuer>()
  /** Those that were taken out of the configuration since the start, as though they were not enabled. */
  readonly #removed = new Map<string, Issuer>()
  #aliases = new Map<string, string>()
  #inForce: readonly IssuerSettings[] = []
  #problem: string | undefined
  /** A version whose keys could not be used when they were looked at last. */
  #refused: readonly IssuerSettings[] | undefined
  #timer: NodeJS.Timeout | undefined
  #isClosed = false
  #lookedAt = 0
  readonly #options: IssuersOptions
  readonly #guards = new Map<string, EgressGuard>()
  readonly #owners: KeyFileOwners
  readonly #rsa = new RsaThreads()
  readonly #tenants: Tenants

  constructor(options: IssuersOptions) {
    this.#options = options
    this.#owners = new KeyFileOwners(() => options.clock.monotonic())
    this.#tenants = new Tenants(
      (settings, before) => this.#create(settings, before),
      () => options.clock.monotonic(),
    )
  }

  /** Reads what is configured, without keys. Throws `LR_ISSUERS_INVALID`. */
  async open(): Promise<void> {
    const settings = await this.#options.read()
    if (settings !== undefined) this.#use(settings)
  }

  /** Throws `LR_ISSUERS_INVALID`, or `LR_KEYS_INVALID` for keys that cannot be used, with all that is wrong at once. */
  async load(): Promise<void> {
    try {
      await this.open()
    } catch (error) {
      throw await this.#withKeys(error)
    }
    const patterns = this.#tenants.patterns.map((it) => this.#create(it))
    const problems = await keyProblems([...this.#listed.values(), ...patterns])
    if (problems.length > 0) throw new RelayFault('LR_KEYS_INVALID', problems.join('\n'))
  }

  /** Looks at the configuration and at the key files in use every `everyMs`. */
  watch(everyMs: number, events: IssuersEvents): void {
    let failures = 0
    const look = async (): Promise<void> => {
      try {
        await this.#reread(events)
        failures = 0
        this.#problem = undefined
      } catch (error) {
        failures = messageOf(error) === this.#problem ? failures + 1 : 1
        this.#problem = messageOf(error)
        events.onIssuersRefused(error, failures)
      }
      this.#tenants.forgetIdle()
      for (const issuer of this.#nextKeys()) await issuer.keys.look(eventsOf(issuer, events))
    }
    const again = (): void => {
      if (this.#isClosed) return
      this.#timer = setTimeout(() => look().finally(again), everyMs)
      this.#timer.unref()
    }
    again()
  }

  /**
   * The one with that `iss`; one that is not enabled, too, and one that is no longer configured: what is parked for it keeps
   * its deadline, and is parked again if Redis is lost.
   */
  get(id: string): Issuer | undefined {
    return this.#listed.get(id) ?? this.#tenants.get(id) ?? this.#removed.get(id)
  }

  /** Whether it is configured, enabled or not. A tenant is not met by that. */
  knows(id: string): boolean {
    return this.#listed.has(id) || this.#tenants.matches(id)
  }

  /** Whether its triggers are taken and its deliveries made. */
  serves(id: string): boolean {
    return this.get(id)?.isEnabled === true
  }

  /**
   * The `iss` of what a record calls its issuer: an alias, or the `iss` itself. Of a record that names none it is the only
   * one there is, if there is only one.
   */
  resolve(name: string | undefined): string | undefined {
    return name === undefined ? this.only : (this.#aliases.get(name) ?? name)
  }

  /** The only issuer; `undefined` where there are several, or may be. */
  get only(): string | undefined {
    if (this.#listed.size !== 1 || this.#tenants.patterns.length > 0) return undefined
    return this.#listed.keys().next().value
  }

  /** There are issuers without a line of their own, which may not have been met yet. */
  get isOpen(): boolean {
    return this.#tenants.patterns.some(({ isEnabled }) => isEnabled)
  }

  /** Those with a line of their own, and those that were met. */
  *known(): Iterable<Issuer> {
    yield* this.#listed.values()
    yield* this.#tenants.met()
  }

  /** Why the configuration cannot be used as it is now, so that the one before stays in force. */
  get problem(): string | undefined {
    return this.#problem
  }

  /** Of issuers whose keys were read, or could not be. */
  keyFiles(): (KeyFileFacts & { readonly issuer: string })[] {
    const all = [...this.known()]
    const without = all.filter(({ keys }) => !keys.isLoaded && keys.facts.problem !== undefined)
    return [...all.filter(({ keys }) => keys.isLoaded), ...without.slice(0, TOLD_WITHOUT_KEYS)].map((it) => {
      const { facts } = it.keys
      const lost = it.isSigning || it.expectedAlg === undefined ? facts.lost : [...facts.lost, it.expectedAlg]
      return { issuer: it.id, ...facts, lost, problem: facts.problem && placed(it, facts.problem) }
    })
  }

  /**
   * The public keys of one issuer, those that do not sign yet included: RPs must have read them before the first token
   * arrives. `undefined` for an issuer that is not known. Throws `LR_KEYS_INVALID`.
   */
  async jwks(id: string): Promise<readonly Jwk[] | undefined> {
    // Not as one that was met: anybody may ask.
    const issuer = this.#listed.get(id) ?? this.#tenants.peek(id)
    await issuer?.keys.load()
    return issuer?.keys.publicJwks()
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  async #reread(events: IssuersEvents): Promise<void> {
    let settings: readonly IssuerSettings[] | undefined
    try {
      settings = (await this.#options.read()) ?? this.#refused
    } catch (error) {
      throw await this.#withKeys(error)
    }
    if (settings === undefined) return
    this.#refused = settings
    const problems = await this.#newKeyProblems(settings, events)
    if (problems.length > 0) throw new RelayFault('LR_KEYS_INVALID', problems.join('\n'))
    this.#refused = undefined
    this.#use(settings)
    events.onIssuersReloaded(settings.length)
  }

  /** A version with an issuer that could not sign is refused whole, as it would be at a start. */
  async #newKeyProblems(
    settings: readonly IssuerSettings[],
    events?: KeyFileEvents,
  ): Promise<readonly string[]> {
    const before = new Map(this.#inForce.map((it) => [it.issuer, it]))
    const fresh = settings.filter((it) => {
      const former = before.get(it.issuer)
      return former === undefined || !isSameSettings(former, it)
    })
    this.#owners.use(settings)
    try {
      const issuers = fresh.map((it) => this.#create(it, this.#listed.get(it.issuer)))
      // The same file may have changed with the settings that speak of it.
      if (events !== undefined && issuers.length <= READ_AT_START_MAX)
        for (const it of issuers) if (it.keys.isLoaded) await it.keys.look(eventsOf(it, events))
      return await keyProblems(issuers)
    } finally {
      this.#owners.use(this.#inForce)
    }
  }

  /** Adds what is wrong with the keys of those issuers with which nothing else is wrong. */
  async #withKeys(error: unknown): Promise<unknown> {
    if (!(error instanceof IssuersFault)) return error
    const problems = await this.#newKeyProblems(error.sound)
    return problems.length === 0
      ? error
      : new IssuersFault([error.message, ...problems], [], { cause: error })
  }

  #use(settings: readonly IssuerSettings[]): void {
    const listed = new Map<string, Issuer>()
    const aliases = new Map<string, string>()
    for (const it of settings) {
      if (isPattern(it)) continue
      const before = this.#listed.get(it.issuer)
      const isSame = before !== undefined && isSameSettings(before.settings, it)
      if (isSame) before.settings = it
      listed.set(it.issuer, isSame ? before : this.#create(it, before))
      for (const alias of it.aliases) aliases.set(alias, it.issuer)
    }
    const before = [...this.known()]
    this.#inForce = settings
    this.#owners.use(settings)
    this.#listed = listed
    this.#aliases = aliases
    this.#tenants.use(settings.filter(isPattern), listed)
    this.#noteRemoved(before)
  }

  /** Without their keys. */
  #noteRemoved(before: readonly Issuer[]): void {
    for (const id of this.#removed.keys()) if (this.knows(id)) this.#removed.delete(id)
    for (const { id, settings } of before) {
      if (this.knows(id)) continue
      this.#removed.set(id, this.#create({ ...settings, isEnabled: false }))
      if (this.#removed.size > REMOVED_MAX) this.#removed.delete(this.#removed.keys().next().value as string)
    }
    for (const { id, settings } of this.#removed.values()) {
      for (const alias of settings.aliases) {
        if (!this.#aliases.has(alias) && !this.#listed.has(alias)) this.#aliases.set(alias, id)
      }
    }
  }

  #create(settings: IssuerSettings, before?: Issuer): Issuer {
    const { clock, defaults, egress } = this.#options
    // One guard for all that may reach the same: connections belong to a guard, and can be shared then.
    const allow = [...egress.allow, ...settings.egressAllow]
    const name = allow.toSorted().join('\n')
    let guard = this.#guards.get(name)
    if (guard === undefined) {
      guard = new EgressGuard({ ...egress, allow })
      this.#guards.set(name, guard)
    }
    return new Issuer(
      { settings, defaults, egress: guard, clock, owners: this.#owners, rsa: this.#rsa },
      before,
    )
  }

  #nextKeys(): Issuer[] {
    const loaded = [...this.known()].filter(({ keys }) => keys.isLoaded)
    if (loaded.length <= LOOKED_AT_ONCE) return loaded
    const from = this.#lookedAt % loaded.length
    this.#lookedAt = from + LOOKED_AT_ONCE
    return [...loaded.slice(from), ...loaded.slice(0, from)].slice(0, LOOKED_AT_ONCE)
  }
}
