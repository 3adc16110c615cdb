import { isIP } from 'node:net'
import type { EgressGuard } from './egress-guard.ts'
import type { NameResolver } from './name-resolver.ts'

export interface Destination {
  /** As in `URL`: `https:`. */
  readonly protocol: string
  /** Without the brackets of an IPv6 address. */
  readonly hostname: string
}

/**
 * The addresses of a destination that a connection may go to. Calls `done` once, perhaps before this returns, with an error
 * when there is none: `LR_EGRESS_BLOCKED`, or as `NameResolver.resolve`.
 */
export function permittedAddresses(
  { hostname, protocol }: Destination,
  guard: EgressGuard,
  names: NameResolver,
  done: (error: Error | null, addresses: readonly string[]) => void,
): void {
  const resolved = (error: Error | null, addresses: readonly string[]): void => {
    let permitted: readonly string[] = []
    let refusal = error
    try {
      if (error === null) permitted = guard.permitted(hostname, addresses)
    } catch (fault) {
      refusal = fault as Error
    }
    done(refusal, permitted)
  }
  const isAddress = isIP(hostname) !== 0
  try {
    guard.checkProtocol(protocol)
    if (isAddress) guard.checkAddress(hostname)
  } catch (refusal) {
    done(refusal as Error, [])
    return
  }
  if (isAddress) resolved(null, [hostname])
  else names.resolve(hostname, resolved)
}

/** The host of a URL as names and addresses are compared. */
export function withoutBrackets(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '')
}
