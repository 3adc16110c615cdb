import { type LookupAddress, type LookupOptions, lookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { connectAny, type Handshake, timedOut, wasReached } from './connect-any.ts'
import { RecentFailures } from './recent-failures.ts'
import { withoutFinalDot } from './server-name.ts'

/** All addresses of a name. */
export type LookUp = (
  name: string,
  options: LookupOptions,
  done: (error: NodeJS.ErrnoException | null, found: readonly LookupAddress[]) => void,
) => void

/** Uses the system's lookup. The hosts file lists names without the final dot. */
export const bySystem: LookUp = (name, options, done) => {
  lookup(name, { ...options, all: true }, (error, found) => {
    if (error !== null && name.endsWith('.')) bySystem(withoutFinalDot(name), options, done)
    else done(error, found ?? [])
  })
}

export interface ReachableAddressOptions {
  readonly port: number
  /** Each address gets a share of it. */
  readonly timeoutMs: number
  /** What must succeed, beyond TCP, for an address to count as reachable. */
  readonly handshake?: Handshake | undefined
  readonly failures?: RecentFailures
  readonly lookUp?: LookUp
}

/**
 * Looks a name up as Node does. Of several addresses it returns one that completes the connection and the handshake, else the
 * last. For clients that create their own sockets: Node would give each address but the last 250 ms.
 */
export function reachableAddress({ lookUp = bySystem, ...options }: ReachableAddressOptions): LookupFunction {
  return (hostname, lookupOptions, callback) => {
    const answer = (fault: NodeJS.ErrnoException | null, address = ''): void => {
      const family = isIP(address)
      if (lookupOptions.all) callback(fault, fault === null ? [{ address, family }] : [])
      else callback(fault, address, family)
    }
    lookUp(hostname, lookupOptions, (error, found) => {
      const addresses = found.map(({ address }) => address)
      if (error !== null || addresses.length < 2) answer(error, addresses[0])
      else reach(hostname, addresses, options, answer)
    })
  }
}

function reach(
  hostname: string,
  addresses: readonly string[],
  { port, timeoutMs, handshake, failures = new RecentFailures() }: ReachableAddressOptions,
  answer: (fault: Error | null, address?: string) => void,
): void {
  const left = [...addresses]
  const finish = (fault: Error | null, address?: string): void => {
    clearTimeout(timer)
    end()
    answer(fault, address)
  }
  let refusing: string | undefined
  // The last address is not probed; it gets the remaining time for the real connection. But if another address was
  // reached and refused, for example for a missing certificate, the client should see that refusal.
  const onFailed = (address: string, error: Error): void => {
    left.splice(left.indexOf(address), 1)
    if (refusing === undefined && wasReached(error)) refusing = address
    if (left.length === 1 && refusing === undefined) finish(null, left[0])
  }
  const ofName = failures.of(hostname, port)
  const end = connectAny(
    { addresses, port, timeoutMs, handshake, failures: ofName, onFailed },
    (fault, socket) => {
      const address = socket?.remoteAddress ?? refusing
      socket?.destroy()
      finish(refusing === undefined ? fault : null, address)
    },
  )
  const timer = setTimeout(() => finish(timedOut()), timeoutMs)
}
