import { readdir } from 'node:fs/promises'
import { EgressGuard, type EgressPolicy } from '../egress/egress-guard.ts'
import type { Clock } from '../lib/clock.ts'
import { codeOf, messageOf, RelayFault } from '../lib/errors.ts'
import { Issuer, type IssuerDefaults } from './issuer.ts'
import { type IssuerSettings, isPattern, isSameSettings } from './issuer-settings.ts'
import { KeyFileOwners } from './key-file-owners.ts'
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

/** So many key files are read at the start, so that what is wrong with them is said there; of more, each when it is needed. */
const READ_AT_START_MAX = 100
/** Key files that are looked at each time; with more of them in use they take turns. */
const LOOKED_AT_ONCE = 50
/** Issuers without usable keys that are findings: whoever writes records can name tenants. */
const TOLD_WITHOUT_KEYS = 20

/** The issuers that this relay speaks for. */
export class Issuers {
  #listed = new Map<string, Issuer>()
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

  /** Throws `LR_KEYS_INVALID` for keys that cannot be used, of all issuers at once. */
  async load(): Promise<void> {
    await this.open()
    const patterns = this.#tenants.patterns.map((it) => this.#create(it))
    const enabled = [...this.#listed.values(), ...patterns].filter(({ isEnabled }) => isEnabled)
    if (enabled.length > READ_AT_START_MAX) return
    await loadAll(enabled)
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

  /** The one with that `iss`; one that is not enabled, too. */
  get(id: string): Issuer | undefined {
    return this.#listed.get(id) ?? this.#tenants.get(id)
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
    const settings = (await this.#options.read()) ?? this.#refused
    if (settings === undefined) return
    this.#refused = settings
    try {
      await this.#checkNewKeys(settings, events)
    } catch (error) {
      this.#owners.use(this.#inForce)
      throw error
    }
    this.#refused = undefined
    this.#use(settings)
    events.onIssuersReloaded(settings.length)
  }

  /** A version with an issuer that could not sign is refused whole, as it would be at a start. */
  async #checkNewKeys(settings: readonly IssuerSettings[], events: KeyFileEvents): Promise<void> {
    const fresh = settings.filter((it) => {
      const before = this.#listed.get(it.issuer)
      const isKnown = before?.keys.isLoaded === true && isSameSettings(before.settings, it)
      return it.isEnabled && !isKnown
    })
    this.#owners.use(settings)
    const issuers = fresh.map((it) => this.#create(it, this.#listed.get(it.issuer)))
    if (issuers.length > READ_AT_START_MAX) return
    // The same file may have changed with the settings that speak of it.
    for (const it of issuers) if (it.keys.isLoaded) await it.keys.look(eventsOf(it, events))
    await loadAll(issuers)
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
    this.#inForce = settings
    this.#owners.use(settings)
    this.#listed = listed
    this.#aliases = aliases
    this.#tenants.use(settings.filter(isPattern), listed)
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

/** Names, of what is wrong with keys, where the configuration names them: line, issuer and file, or the option. */
function placed({ id, settings: { keysFile, keysOption = id, place } }: Issuer, problem: string): string {
  if (place === undefined) return `${keysOption}: ${problem}`
  return [place, id, ...(problem.includes(keysFile) ? [] : [keysFile]), problem].join(': ')
}

/** Of several key files it is said which one cannot be used. */
function eventsOf(issuer: Issuer, events: KeyFileEvents): KeyFileEvents {
  return {
    onReloaded: (kids) => events.onReloaded(kids),
    onReloadFailed: (error, failures) => {
      const told = new RelayFault('LR_KEYS_INVALID', placed(issuer, messageOf(error)), { cause: error })
      events.onReloadFailed(told, failures)
    },
  }
}

async function loadAll(issuers: readonly Issuer[]): Promise<void> {
  const problems = await Promise.all(
    issuers.map(async (issuer) => {
      const { keys, settings } = issuer
      try {
        if (isPattern(settings))
          await readdir(settings.keysFile.split('{tenant}')[0]?.replace(/[^/\\]*$/, '') ?? '')
        else await keys.load()
      } catch (error) {
        if (isPattern(settings))
          return placed(issuer, `the folder of its keys cannot be read (${codeOf(error)})`)
        if (codeOf(error) !== 'LR_KEYS_INVALID') throw error
        return placed(issuer, messageOf(error))
      }
      if (issuer.isSigning) return []
      return placed(issuer, `no key of the file signs ${settings.alg}, the default of its clients`)
    }),
  )
  const lines = problems.flat()
  if (lines.length > 0) throw new RelayFault('LR_KEYS_INVALID', lines.join('\n'))
}
