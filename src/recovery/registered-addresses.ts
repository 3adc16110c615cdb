import { decodeRecord } from '../events/decode/decode-record.ts'
import { mayBeRegistration } from '../events/decode/known-types.ts'
import type { Registration } from '../events/registration.ts'
import type { Clock } from '../lib/clock.ts'
import type { Registry } from '../registry/registry.ts'
import type { LogReader } from './log-reader.ts'
import type { RecoveryRegistry } from './recovery-registry.ts'

export interface RegisteredAddressesOptions {
  readonly clock: Clock
  readonly defaultIssuer: string
  readonly inputTopics: readonly string[]
  readonly reader: LogReader
  readonly recovery: Pick<RecoveryRegistry, 'all'>
  readonly registry: Pick<Registry, 'find'>
}

/**
 * Looks up whether an RP was ever registered with an address: on the log, or else in the registry, to which an identity
 * platform may write by itself. Who forges an outcome would have tokens sent to an address of their own.
 */
export class RegisteredAddresses {
  readonly #options: RegisteredAddressesOptions

  constructor(options: RegisteredAddressesOptions) {
    this.#options = options
  }

  /** True for those of the registrations whose address somebody has registered for the same RP. Throws when `signal` aborts. */
  async lookUp(
    registrations: readonly Registration[],
    signal: AbortSignal,
  ): Promise<(registration: Registration) => boolean> {
    const wanted = new Set(registrations.map(addressOf))
    if (wanted.size > 0) await this.#searchLog(wanted, signal)
    if (wanted.size > 0) await this.#searchRegistry(wanted, signal)
    return (registration) => !wanted.has(addressOf(registration))
  }

  async #searchLog(wanted: Set<string>, signal: AbortSignal): Promise<void> {
    const { clock, defaultIssuer, inputTopics, reader } = this.#options
    const isEnough = new AbortController()
    try {
      await reader.read(
        await reader.bounds(inputTopics),
        async ({ records }) => {
          for (const record of records) {
            if (!mayBeRegistration(record.type)) continue
            const decoded = decodeRecord(record, defaultIssuer, clock.now())
            if (decoded.kind === 'registration') wanted.delete(addressOf(decoded.registration))
          }
          if (wanted.size === 0) isEnough.abort()
        },
        AbortSignal.any([signal, isEnough.signal]),
      )
    } catch (error) {
      if (!isEnough.signal.aborted) throw error
    }
  }

  async #searchRegistry(wanted: Set<string>, signal: AbortSignal): Promise<void> {
    const { recovery, registry } = this.#options
    await recovery.all(async (keys) => {
      for (const held of await registry.find(keys)) {
        if (held !== undefined && !('reason' in held)) wanted.delete(addressOf(held))
      }
    }, signal)
  }
}

function addressOf({ issuer, clientId, backchannelLogoutUri }: Registration): string {
  return `${issuer}\n${clientId}\n${backchannelLogoutUri}`
}
