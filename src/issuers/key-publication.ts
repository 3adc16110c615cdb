import { delay } from '../lib/deferred.ts'
import { discoveryUri, jwksUriIn } from './discovery-uri.ts'
import { isSameKey } from './signing/same-key.ts'
import type { SigningKey } from './signing/signing-key.ts'

type Jwk = Readonly<Record<string, unknown>>

export interface PublishingIssuer {
  readonly id: string
  readonly keys: {
    /** Keys that sign now, and those that will. */
    inUse(): readonly { readonly key: SigningKey; readonly signs: 'now' | 'later' }[]
  }
}

export interface KeyPublicationOptions {
  readonly issuers: () => Iterable<PublishingIssuer>
  /** Between two looks; 0 for none at all. Milliseconds. */
  readonly intervalMs: number
  /** Reads a JSON object; throws when there is none. */
  readonly fetchJson: (uri: string) => Promise<Jwk>
  /** What is published could not be read; `failures` counts in a row. What was known stands. */
  readonly onUnknown: (issuer: string, error: unknown, failures: number) => void
}

export interface KnownPublication {
  readonly issuer: string
  readonly kid: string
  readonly signs: 'now' | 'later'
  readonly isPublished: boolean
}

/** Issuers that are looked at; each is two requests to somebody else, and a series of a metric. */
const ISSUERS_MAX = 200

/**
 * Whether RPs can verify what the relay signs: looks now and then at the JWK sets that the issuers themselves publish
 * (OpenID Connect Discovery 1.0 §4). Without discovery nothing is known, and nothing is claimed.
 */
export class KeyPublication {
  readonly #options: KeyPublicationOptions
  readonly #failures = new Map<string, number>()
  #jwks = new Map<string, readonly Jwk[]>()

  constructor(options: KeyPublicationOptions) {
    this.#options = options
  }

  /** Of the keys as they are now, against what was published when it was looked at last. */
  known(): KnownPublication[] {
    return this.#issuers().flatMap(({ id, keys }) => {
      const jwks = this.#jwks.get(id)
      if (jwks === undefined) return []
      return keys.inUse().map(({ key, signs }) => ({
        issuer: id,
        kid: key.kid,
        signs,
        isPublished: jwks.some((jwk) => jwk.kid === key.kid && isSameKey(jwk, key.privateKey)),
      }))
    })
  }

  /** Looks until the signal aborts. Never throws. */
  async watch(signal: AbortSignal): Promise<void> {
    const { intervalMs } = this.#options
    if (intervalMs === 0) return
    while (!signal.aborted) {
      await this.look(signal)
      await delay(intervalMs, signal)
    }
  }

  /** Looks once at every issuer whose keys are in use. Never throws. */
  async look(signal?: AbortSignal): Promise<void> {
    const issuers = this.#issuers()
    this.#jwks = new Map([...this.#jwks].filter(([id]) => issuers.some((it) => it.id === id)))
    for (const { id } of issuers) {
      if (signal?.aborted) return
      try {
        this.#jwks.set(id, await this.#published(id))
        this.#failures.delete(id)
      } catch (error) {
        const failures = (this.#failures.get(id) ?? 0) + 1
        this.#failures.set(id, failures)
        if (!signal?.aborted) this.#options.onUnknown(id, error, failures)
      }
    }
  }

  #issuers(): PublishingIssuer[] {
    const inUse: PublishingIssuer[] = []
    for (const issuer of this.#options.issuers()) {
      if (inUse.length === ISSUERS_MAX) break
      if (issuer.keys.inUse().length > 0) inUse.push(issuer)
    }
    return inUse
  }

  async #published(issuer: string): Promise<readonly Jwk[]> {
    const { fetchJson } = this.#options
    const uri = jwksUriIn(await fetchJson(discoveryUri(issuer)))
    if (uri === undefined) throw new Error('the metadata has no usable jwks_uri')
    const { keys } = await fetchJson(uri)
    if (!Array.isArray(keys)) throw new Error('the document at jwks_uri has no list of keys')
    return keys.filter((key) => typeof key === 'object' && key !== null)
  }
}
