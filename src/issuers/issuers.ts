import type { Clock } from '../lib/clock.ts'
import { codeOf, messageOf, RelayFault } from '../lib/errors.ts'
import { LocalSigner } from './signing/local-signer.ts'
import { RsaThreads } from './signing/rsa-threads.ts'
import { type KeyFileEvents, type KeyFileFacts, SigningKeys } from './signing/signing-keys.ts'
import type { TokenSigner } from './signing/token-signer.ts'

export interface IssuerSource {
  readonly issuer: string
  readonly signingKeysFile: string
}

interface Entry {
  readonly keys: SigningKeys
  readonly signer: TokenSigner
}

/** The issuers that this relay speaks for, each with its keys. */
export class Issuers {
  readonly #entries = new Map<string, Entry>()

  constructor(sources: readonly IssuerSource[], clock: Clock) {
    const rsa = new RsaThreads()
    for (const { issuer, signingKeysFile } of sources) {
      const keys = new SigningKeys(signingKeysFile, clock)
      this.#entries.set(issuer, { keys, signer: new LocalSigner(keys, rsa) })
    }
  }

  /** Throws `LR_KEYS_INVALID` when the keys of any issuer cannot be used. */
  async load(): Promise<void> {
    try {
      await Promise.all([...this.#entries.values()].map(({ keys }) => keys.load()))
    } catch (error) {
      if (codeOf(error) !== 'LR_KEYS_INVALID') throw error
      throw new RelayFault('LR_KEYS_INVALID', `SIGNING_KEYS_FILE: ${messageOf(error)}`)
    }
  }

  watch(everyMs: number, events: KeyFileEvents): void {
    for (const { keys } of this.#entries.values()) keys.watch(everyMs, events)
  }

  has(issuer: string): boolean {
    return this.#entries.has(issuer)
  }

  signer(issuer: string): TokenSigner | undefined {
    return this.#entries.get(issuer)?.signer
  }

  publicJwks(): Readonly<Record<string, unknown>>[] {
    return [...this.#entries.values()].flatMap(({ keys }) => keys.publicJwks())
  }

  /** Of all issuers: keys that sign now, and those that will. */
  keysInUse(): ReturnType<SigningKeys['inUse']> {
    return [...this.#entries.values()].flatMap(({ keys }) => keys.inUse())
  }

  keyFiles(): KeyFileFacts[] {
    return [...this.#entries.values()].map(({ keys }) => keys.facts)
  }

  close(): void {
    for (const { keys } of this.#entries.values()) keys.close()
  }
}
