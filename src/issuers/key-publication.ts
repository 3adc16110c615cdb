import { delay } from '../lib/deferred.ts'
import { discoveryUri, jwksUriIn } from './discovery-uri.ts'
import { isSameKey } from './signing/same-key.ts'
import type { SigningKey } from './signing/signing-key.ts'

type Jwk = Readonly<Record<string, unknown>>

export interface KeyPublicationOptions {
  readonly issuer: string
  /** Between two looks; 0 for none at all. Milliseconds. */
  readonly intervalMs: number
  /** Keys that sign now, and those that will. */
  readonly keys: () => readonly { readonly key: SigningKey; readonly signs: 'now' | 'later' }[]
  /** Reads a JSON object; throws when there is none. */
  readonly fetchJson: (uri: string) => Promise<Jwk>
  /** What is published could not be read; `failures` counts in a row. What was known stands. */
  readonly onUnknown: (error: unknown, failures: number) => void
}

export interface KnownPublication {
  readonly kid: string
  readonly signs: 'now' | 'later'
  readonly isPublished: boolean
}

/**
 * Whether RPs can verify what the relay signs: looks now and then at the JWK set that the issuer itself publishes
 * (OpenID Connect Discovery 1.0 §4). Without discovery nothing is known, and nothing is claimed.
 */
export class KeyPublication {
  readonly #options: KeyPublicationOptions
  #jwks: readonly Jwk[] | undefined

  constructor(options: KeyPublicationOptions) {
    this.#options = options
  }

  /** Of the keys as they are now, against what was published when it was looked at last. */
  known(): KnownPublication[] {
    const jwks = this.#jwks
    if (jwks === undefined) return []
    return this.#options.keys().map(({ key, signs }) => ({
      kid: key.kid,
      signs,
      isPublished: jwks.some((jwk) => jwk.kid === key.kid && isSameKey(jwk, key.privateKey)),
    }))
  }

  /** Looks until the signal aborts. Never throws. */
  async watch(signal: AbortSignal): Promise<void> {
    const { intervalMs, onUnknown } = this.#options
    if (intervalMs === 0) return
    for (let failures = 0; !signal.aborted; ) {
      try {
        await this.look()
        failures = 0
      } catch (error) {
        if (!signal.aborted) onUnknown(error, ++failures)
      }
      await delay(intervalMs, signal)
    }
  }

  async look(): Promise<void> {
    const { issuer, fetchJson } = this.#options
    const uri = jwksUriIn(await fetchJson(discoveryUri(issuer)))
    if (uri === undefined) throw new Error('the metadata has no usable jwks_uri')
    const { keys } = await fetchJson(uri)
    if (!Array.isArray(keys)) throw new Error('the document at jwks_uri has no list of keys')
    this.#jwks = keys.filter((key) => typeof key === 'object' && key !== null)
  }
}
