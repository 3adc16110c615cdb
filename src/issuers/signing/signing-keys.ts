import { hash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { type TokenAlgorithm, tokenAlgorithms } from '../../events/registration.ts'
import type { Clock } from '../../lib/clock.ts'
import { messageOf, RelayFault } from '../../lib/errors.ts'
import { type LeftOutKey, readKeyFile } from './key-file.ts'
import type { SigningKey } from './signing-key.ts'

export interface KeyFileEvents {
  onReloaded(kids: string[]): void
  /** At every look while the file is unusable; `failures` counts the looks that ended in the same way. */
  onReloadFailed(error: unknown, failures: number): void
}

export interface KeyFileFacts {
  /** Its permissions, as in `stat`. */
  readonly mode: number
  /** Of the keys in force. */
  readonly leftOut: readonly LeftOutKey[]
  /** What keys of before signed, and those in force do not. */
  readonly lost: readonly TokenAlgorithm[]
  /** Why the file cannot be used as it is now, so that older keys stay in force. */
  readonly problem: string | undefined
}

/**
 * The signing keys of one issuer, read from a file and read again when it changes. A file that turns bad while
 * the service runs leaves the keys in use as they were.
 */
export class SigningKeys {
  #keys: readonly SigningKey[] = []
  #leftOut: readonly LeftOutKey[] = []
  #lost: readonly TokenAlgorithm[] = []
  #problem: string | undefined
  #mode = 0
  /** Of what was read last, and not its text: whoever gets hold of the heap must not find the private keys in it. */
  #contentHash = ''
  #timer: NodeJS.Timeout | undefined
  #closed = false
  readonly #file: string
  readonly #clock: Clock

  constructor(file: string, clock: Clock) {
    this.#file = file
    this.#clock = clock
  }

  /** Throws `LR_KEYS_INVALID` when the file cannot be read or holds no usable key. */
  async load(): Promise<void> {
    await this.#reload()
  }

  /**
   * Looks at the file every `everyMs`. Its content is compared, not its date: mounted secrets are swapped behind
   * a symbolic link, which file watching and modification times both miss.
   */
  watch(everyMs: number, events: KeyFileEvents): void {
    let failures = 0
    let said = ''
    const look = async (): Promise<void> => {
      try {
        const isNew = await this.#reload()
        failures = 0
        this.#problem = undefined
        if (isNew) events.onReloaded(this.#keys.map((key) => key.kid))
      } catch (error) {
        failures = messageOf(error) === said ? failures + 1 : 1
        said = messageOf(error)
        this.#problem = said
        events.onReloadFailed(error, failures)
      }
    }
    const again = (): void => {
      if (this.#closed) return
      this.#timer = setTimeout(() => look().finally(again), everyMs)
      this.#timer.unref()
    }
    again()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  /**
   * The key that signs `algorithm` now: of those past their `notBefore`, the one that became valid last.
   * Throws `LR_KEY_MISSING` when there is none.
   */
  keyFor(algorithm: TokenAlgorithm): SigningKey {
    const now = this.#clock.now()
    let best: SigningKey | undefined
    for (const key of this.#keys) {
      if (key.notBeforeMs > now || !key.algorithms.includes(algorithm)) continue
      const isNewer = best === undefined || key.notBeforeMs > best.notBeforeMs
      if (isNewer || (key.notBeforeMs === best?.notBeforeMs && hasOtherName(best, algorithm))) best = key
    }
    if (best === undefined) {
      throw new RelayFault('LR_KEY_MISSING', `no ${algorithm} key signs now; add one to the signing key file`)
    }
    return best
  }

  /** Keys that sign an algorithm now, and those whose time is still to come. */
  inUse(): { readonly key: SigningKey; readonly signs: 'now' | 'later' }[] {
    const now = this.#clock.now()
    const signing = new Set<SigningKey>()
    for (const algorithm of tokenAlgorithms) {
      if (this.#keys.some((key) => key.notBeforeMs <= now && key.algorithms.includes(algorithm)))
        signing.add(this.keyFor(algorithm))
    }
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
    return { mode: this.#mode, leftOut: this.#leftOut, lost: this.#lost, problem: this.#problem }
  }

  /** False when the file is as it was. */
  async #reload(): Promise<boolean> {
    const content = await this.#read()
    const contentHash = hash('sha256', content)
    if (contentHash === this.#contentHash) return false
    const { keys, leftOut } = await readKeyFile(content)
    const before = new Set(this.#lost.concat(this.#keys.flatMap(({ algorithms }) => algorithms)))
    this.#lost = [...before].filter((algorithm) => !keys.some((key) => key.algorithms.includes(algorithm)))
    this.#keys = keys
    this.#leftOut = leftOut
    this.#contentHash = contentHash
    return true
  }

  async #read(): Promise<Buffer> {
    try {
      await using file = await open(this.#file)
      this.#mode = (await file.stat()).mode
      return await file.readFile()
    } catch (error) {
      throw new RelayFault('LR_KEYS_INVALID', `the signing key file cannot be read: ${messageOf(error)}`)
    }
  }
}

/** The key may be published under the other name of its algorithm, and some RPs compare it. */
function hasOtherName({ publicJwk: { alg } }: SigningKey, algorithm: TokenAlgorithm): boolean {
  return alg !== undefined && alg !== algorithm
}
