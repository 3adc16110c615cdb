import type { LogoutEndpoint } from '../events/logout-endpoint.ts'
import { codeOf, messageOf } from '../lib/errors.ts'
import type { EgressGuard } from './egress-guard.ts'
import { NameResolver } from './name-resolver.ts'
import { permittedAddresses, withoutBrackets } from './permitted-addresses.ts'

export type LookUpResult =
  | { readonly kind: 'permitted' }
  | { readonly kind: 'blocked'; readonly message: string }
  /** The name has no address, or it could not be found. `code`: of Node or the relay. */
  | { readonly kind: 'unreachable'; readonly code: string; readonly message: string }

/** Stands for the sender in shadow mode: it looks up where an attempt would go, judges that, and opens no connection. */
export class ShadowSender {
  readonly #names: NameResolver
  #isClosed = false

  constructor(names = new NameResolver()) {
    this.#names = names
  }

  /** Never throws. Calls `done` once, after this call has returned; not any more after `close`, which ends lookups. */
  lookUp({ origin }: LogoutEndpoint, guard: EgressGuard, done: (result: LookUpResult) => void): void {
    const { hostname, protocol } = new URL(origin)
    permittedAddresses({ protocol, hostname: withoutBrackets(hostname) }, guard, this.#names, (error) =>
      queueMicrotask(() => {
        if (!this.#isClosed) done(resultOf(error))
      }),
    )
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#names.close()
  }
}

function resultOf(error: Error | null): LookUpResult {
  if (error === null) return { kind: 'permitted' }
  const code = codeOf(error) ?? 'UNKNOWN'
  return code === 'LR_EGRESS_BLOCKED'
    ? { kind: 'blocked', message: messageOf(error) }
    : { kind: 'unreachable', code, message: messageOf(error) }
}
