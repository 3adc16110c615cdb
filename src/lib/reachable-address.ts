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

/** As the system does; the hosts file has names without the final dot. */
export const bySystem: LookUp = (name, options, done) => {
  lookup(name, { ...options, all: true }, (error, found) => {
    if (error !== null && name.endsWith('.')) bySystem(withoutFinalDot(name), options, done)
    else done(error, found ?? [])
  })
}

export interface ReachableAddressOptions {
  readonly port: number
  /** Of which each address has its share. */
  readonly timeoutMs: number
  /** What must be over for an address to count as reachable, beyond TCP. */
  readonly handshake?: Handshake | undefined
  readonly failures?: RecentFailures
  readonly lookUp?: LookUp
}

/**
 * Looks a name up as Node does, and of several addresses answers with one that takes connections and ends the handshake, or
 * the last that may. For clients that make their sockets themselves: Node would give each address but the last 250 ms.
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
  // The last one is not waited for: it has the rest of the time for the connection itself. But where another was reached and
  // refused, such as for want of a certificate, the client is to meet that refusal, and not that nobody listens at the last.
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
