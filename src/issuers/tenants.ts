import type { Issuer } from './issuer.ts'
import { type IssuerSettings, isSameSettings, tenantSettings } from './issuer-settings.ts'

/** A tenant that no record has named for so long is forgotten, with its keys. */
const IDLE_MS = 10 * 60_000
/** Anybody who writes records can name tenants, and each takes a kilobyte; those beyond it are met anew. */
const TENANTS_MAX = 20_000
const TENANT = /[A-Za-z0-9-]+/.source

interface Pattern {
  readonly regex: RegExp
  readonly settings: IssuerSettings
  /** What is not `{tenant}`: the longer, the narrower. */
  readonly length: number
}

/** Issuers that have no line of their own: those that patterns mean, from when they are first met. */
export class Tenants {
  #patterns: readonly Pattern[] = []
  readonly #met = new Map<string, { readonly issuer: Issuer; usedAtMs: number }>()
  readonly #create: (settings: IssuerSettings, before?: Issuer) => Issuer
  readonly #nowMs: () => number

  /** `nowMs`: the monotonic clock. */
  constructor(create: (settings: IssuerSettings, before?: Issuer) => Issuer, nowMs: () => number) {
    this.#create = create
    this.#nowMs = nowMs
  }

  get patterns(): readonly IssuerSettings[] {
    return this.#patterns.map(({ settings }) => settings)
  }

  /** Takes other patterns; tenants that they mean differently are met anew, with the keys that they had. `listed`: no tenants. */
  use(patterns: readonly IssuerSettings[], listed: { has(id: string): boolean }): void {
    this.#patterns = patterns
      .map((settings) => ({
        settings,
        regex: new RegExp(`^${settings.issuer.split('{tenant}').map(escaped).join(`(${TENANT})`)}$`),
        length: settings.issuer.length,
      }))
      .sort((a, b) => b.length - a.length)
    for (const [id, { issuer, usedAtMs }] of this.#met) {
      const settings = this.#settingsOf(id)
      if (settings === undefined || listed.has(id)) this.#met.delete(id)
      else if (isSameSettings(settings, issuer.settings)) issuer.settings = settings
      else this.#met.set(id, { issuer: this.#create(settings, issuer), usedAtMs })
    }
  }

  get(id: string): Issuer | undefined {
    const met = this.#met.get(id)
    if (met !== undefined) {
      met.usedAtMs = this.#nowMs()
      if (this.#met.size > TENANTS_MAX / 2) {
        // The last used stands last.
        this.#met.delete(id)
        this.#met.set(id, met)
      }
      return met.issuer
    }
    const settings = this.#settingsOf(id)
    if (settings === undefined) return undefined
    if (this.#met.size >= TENANTS_MAX) this.#met.delete(this.#met.keys().next().value as string)
    const issuer = this.#create(settings)
    this.#met.set(id, { issuer, usedAtMs: this.#nowMs() })
    return issuer
  }

  /** Whether a pattern means it. */
  matches(id: string): boolean {
    return this.#patterns.some(({ regex }) => regex.test(id))
  }

  /** As `get`, for somebody who may ask for any: one that was not met is not remembered. */
  peek(id: string): Issuer | undefined {
    const settings = this.#settingsOf(id)
    return this.#met.get(id)?.issuer ?? (settings && this.#create(settings))
  }

  /** Those that were met and are not forgotten. */
  *met(): Iterable<Issuer> {
    for (const { issuer } of this.#met.values()) yield issuer
  }

  forgetIdle(): void {
    const since = this.#nowMs() - IDLE_MS
    for (const [id, { usedAtMs }] of this.#met) if (usedAtMs < since) this.#met.delete(id)
  }

  #settingsOf(id: string): IssuerSettings | undefined {
    for (const { regex, settings } of this.#patterns) {
      const tenant = regex.exec(id)?.[1]
      if (tenant === undefined) continue
      return tenantSettings(settings, tenant, id)
    }
    return undefined
  }
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
}
