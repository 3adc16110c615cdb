import { hash } from 'node:crypto'
import { type TokenAlgorithm, tokenAlgorithms } from '../../events/registration.ts'
import type { Clock } from '../../lib/clock.ts'
import { messageOf, RelayFault } from '../../lib/errors.ts'
import { chosenKey, isValid } from './key-choice.ts'
import { type LeftOutKey, readKeyFiles } from './key-file.ts'
import { type KeyBounds, readKeySource } from './key-source.ts'
import type { SigningKey } from './signing-key.ts'

export interface KeyFileEvents {
  onReloaded(kids: string[]): void
  /** At every look while the file is unusable; `failures` counts the looks that ended in the same way. */
  onReloadFailed(error: unknown, failures: number): void
}

export interface KeyEnding {
  readonly algorithm: TokenAlgorithm
  /** Of the last key that signs it. */
  readonly kid: string
  /** Until then, and no longer, a key of the file signs. Milliseconds since the epoch. */
  readonly endsAtMs: number
}

export interface KeyFileFacts {
  /** Its permissions, as in `stat`. */
  readonly mode: number
  /** Of the keys in force. */
  readonly leftOut: readonly LeftOutKey[]
  /** What keys of before signed, and those in force do not. */
  readonly lost: readonly TokenAlgorithm[]
  /** Algorithms that no key signs from some time on. */
  readonly endings: readonly KeyEnding[]
  /** Why the file cannot be used as it is now, so that older keys stay in force. */
  readonly problem: string | undefined
}

/** After so long a file that could not be read is tried again for the next token. */
const RETRY_MS = 2_000

/**
 * The signing keys of one issuer, read from a file, or the files of a directory, when they are first needed, and again when it changes. A file that turns
 * bad while the service runs leaves the keys in use as they were.
 */
export class SigningKeys {
  #keys: readonly SigningKey[] = []
  #leftOut: readonly LeftOutKey[] = []
  #lost: readonly TokenAlgorithm[] = []
  #problem: string | undefined
  #mode = 0
  /** Of what was read last, and not its text: whoever gets hold of the heap must not find the private keys in it. */
  #contentHash = ''
  #owners: object | undefined
  #loading: Promise<void> | undefined
  #failedAtMs = Number.NEGATIVE_INFINITY
  #failures = 0
  readonly #file: string
  readonly #bounds: KeyBounds
  readonly #clock: Clock

  constructor(file: string, clock: Clock, bounds: KeyBounds = {}) {
    this.#file = file
    this.#clock = clock
    this.#bounds = bounds
  }

  get isLoaded(): boolean {
    return this.#keys.length > 0
  }

  /** Throws `LR_KEYS_INVALID` when the file cannot be read or holds no usable key. Once read, it is not read again here. */
  load(): Promise<void> {
    if (this.isLoaded) return Promise.resolve()
    const isTooSoon = this.#clock.monotonic() - this.#failedAtMs < RETRY_MS
    if (isTooSoon) return Promise.reject(new RelayFault('LR_KEYS_INVALID', this.#problem ?? ''))
    this.#loading ??= this.#first().finally(() => {
      this.#loading = undefined
    })
    return this.#loading
  }

  /**
   * Reads the file again, if it has changed. Its content is compared, not its date: mounted secrets are swapped behind
   * a symbolic link, which file watching and modification times both miss. Never throws.
   */
  async look(events: KeyFileEvents): Promise<void> {
    try {
      const isNew = await this.#reload()
      this.#failures = 0
      this.#problem = undefined
      if (isNew) events.onReloaded(this.#keys.map((key) => key.kid))
    } catch (error) {
      this.#failures = messageOf(error) === this.#problem ? this.#failures + 1 : 1
      this.#problem = messageOf(error)
      events.onReloadFailed(error, this.#failures)
    }
  }

  /** The key that signs `algorithm` now. Throws `LR_KEY_MISSING` when there is none. */
  keyFor(algorithm: TokenAlgorithm): SigningKey {
    const key = chosenKey(this.#keys, algorithm, this.#clock.now())
    if (key !== undefined) return key
    throw new RelayFault('LR_KEY_MISSING', `no ${algorithm} key signs now; add one to the signing key file`)
  }

  /** Keys that sign an algorithm now, and those whose time is still to come. */
  inUse(): { readonly key: SigningKey; readonly signs: 'now' | 'later' }[] {
    const now = this.#clock.now()
    const signing = new Set(tokenAlgorithms.map((it) => chosenKey(this.#keys, it, now)))
    return this.#keys.flatMap((key) => {
      if (signing.has(key)) return { key, signs: 'now' as const }
      return key.notBeforeMs > now ? { key, signs: 'later' as const } : []
    })
  }

  /** All of them, those that do not sign yet or any more included. */
  get all(): readonly SigningKey[] {
    return this.#keys
  }

  /** Public keys, those that do not sign yet included: RPs must have read them before the first token arrives. */
  publicJwks(): Readonly<Record<string, unknown>>[] {
    return this.#keys.map((key) => key.publicJwk)
  }

  /** What is to be said about the file, as it was seen last. */
  get facts(): KeyFileFacts {
    return {
      mode: this.#mode,
      leftOut: this.#leftOut,
      lost: this.#lost,
      endings: this.#endings(),
      problem: this.#problem,
    }
  }

  #endings(): KeyEnding[] {
    const now = this.#clock.now()
    return tokenAlgorithms.flatMap((algorithm) => {
      const keys = this.#keys.filter((key) => key.algorithms.includes(algorithm))
      // Each key that takes over in time moves the end.
      let [last] = keys.filter((key) => isValid(key, now)).sort(byEnd)
      for (let next = last; next !== undefined; ) {
        last = next
        const { notAfterMs } = last
        next = keys
          .filter((key) => key.notBeforeMs <= notAfterMs && key.notAfterMs > notAfterMs)
          .sort(byEnd)[0]
      }
      // Where none signs now the last one has ended, or none has begun.
      last ??= keys.filter((key) => key.notAfterMs <= now).sort(byEnd)[0]
      if (last === undefined || last.notAfterMs === Number.POSITIVE_INFINITY) return []
      return { algorithm, kid: last.kid, endsAtMs: last.notAfterMs }
    })
  }

  async #first(): Promise<void> {
    try {
      await this.#reload()
      this.#problem = undefined
    } catch (error) {
      this.#problem = messageOf(error)
      this.#failedAtMs = this.#clock.monotonic()
      throw error
    }
  }

  /** False when the keys are as they were. */
  async #reload(): Promise<boolean> {
    const owners = this.#bounds.owners?.()
    const { files, mode } = await readKeySource(this.#file, this.#bounds)
    this.#mode = mode
    const contentHash = files.map(({ name, content }) => `${name} ${hash('sha256', content)}`).join('\n')
    const isSame = contentHash === this.#contentHash
    if (isSame && owners === this.#owners) return false
    for (const { path } of files) {
      const other = await this.#bounds.otherOwner?.(path)
      if (other === undefined) continue
      // What was its own until another issuer got a line must not sign for it any more.
      if (isSame) this.#disown()
      throw new RelayFault('LR_KEYS_INVALID', `the signing key file is that of ${other}, links followed`)
    }
    this.#owners = owners
    if (isSame) return false
    const { keys, leftOut } = await readKeyFiles(files)
    const before = new Set(this.#lost.concat(this.#keys.flatMap(({ algorithms }) => algorithms)))
    this.#lost = [...before].filter((algorithm) => !keys.some((key) => key.algorithms.includes(algorithm)))
    this.#keys = keys
    this.#leftOut = leftOut
    this.#contentHash = contentHash
    return true
  }

  #disown(): void {
    this.#keys = []
    this.#leftOut = []
    this.#contentHash = ''
  }
}

/** The longest first. */
function byEnd(a: SigningKey, b: SigningKey): number {
  return b.notAfterMs === a.notAfterMs ? 0 : b.notAfterMs - a.notAfterMs
}
