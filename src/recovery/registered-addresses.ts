import type { DecodeResult } from '../events/decoding/decode-record.ts'
import type { Registration } from '../events/registration.ts'
import type { LogReader } from '../intake/log-reader.ts'
import type { Pipeline } from '../intake/pipeline.ts'
import type { Clock } from '../lib/clock.ts'
import type { Registry } from '../registry/registry.ts'
import type { RecoveryRegistry } from './recovery-registry.ts'

export interface RegisteredAddressesOptions {
  readonly clock: Clock
  readonly inputTopics: readonly string[]
  readonly pipeline: Pick<Pipeline, 'read'>
  readonly reader: LogReader
  readonly recovery: Pick<RecoveryRegistry, 'all'>
  readonly registry: Pick<Registry, 'find'>
}

/**
 * Looks up whether an RP was ever registered with an address, on the log or in the registry, to which an identity platform
 * may write directly. Otherwise a forged outcome could send an RP's tokens to an attacker's address. For an RP without any
 * registration nobody can tell.
 */
export class RegisteredAddresses {
  readonly #options: RegisteredAddressesOptions

  constructor(options: RegisteredAddressesOptions) {
    this.#options = options
  }

  /** False for registrations whose RP is registered, but not with that address. Throws when `signal` aborts. */
  async lookUp(
    registrations: readonly Registration[],
    signal: AbortSignal,
  ): Promise<(registration: Registration) => boolean> {
    // One without an address goes where its client says, whoever wrote the outcome.
    const addressed = registrations.filter((it) => it.backchannelLogoutUri !== undefined)
    const search: Search = { wanted: new Set(addressed.map(addressOf)), seen: new Set() }
    const { wanted, seen } = search
    if (wanted.size > 0) await this.#searchLog(search, signal)
    if (wanted.size > 0) await this.#searchRegistry(search, signal)
    return (registration) => !wanted.has(addressOf(registration)) || !seen.has(nameOf(registration))
  }

  async #searchLog(search: Search, signal: AbortSignal): Promise<void> {
    const { clock, inputTopics, pipeline, reader } = this.#options
    const isEnough = new AbortController()
    const take = (decoded: DecodeResult): void => {
      if (decoded.kind === 'registration') note(search, decoded.registration)
    }
    try {
      await reader.read(
        await reader.bounds(inputTopics),
        async ({ records }) => {
          for (const record of records) pipeline.read(record, 'registration', clock.now(), take)
          if (search.wanted.size === 0) isEnough.abort()
        },
        AbortSignal.any([signal, isEnough.signal]),
      )
    } catch (error) {
      if (!isEnough.signal.aborted) throw error
    }
  }

  async #searchRegistry(search: Search, signal: AbortSignal): Promise<void> {
    const { recovery, registry } = this.#options
    await recovery.all(async (keys) => {
      for (const held of await registry.find(keys)) {
        if (held !== undefined && !('reason' in held)) note(search, held)
      }
    }, signal)
  }
}

interface Search {
  /** Addresses of RPs without a matching registration so far. */
  readonly wanted: Set<string>
  /** RPs that are registered with some address. */
  readonly seen: Set<string>
}

function note({ wanted, seen }: Search, registration: Registration): void {
  wanted.delete(addressOf(registration))
  seen.add(nameOf(registration))
}

function addressOf(registration: Registration): string {
  return `${nameOf(registration)}\n${registration.backchannelLogoutUri}`
}

function nameOf({ issuer, clientId }: Registration): string {
  return `${issuer}\n${clientId}`
}
