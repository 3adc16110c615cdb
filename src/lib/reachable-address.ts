import { type LookupAddress, type LookupOptions, lookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { ADDRESSES_MAX, connectAny, timedOut } from './connect-any.ts'
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

/**
 * Looks a name up as Node does, and of several addresses answers with one that takes connections, or the last that may.
 * For clients that make their sockets themselves: Node would give each address but the last 250 ms.
 */
export function reachableAddress(port: number, timeoutMs: number, lookUp: LookUp = bySystem): LookupFunction {
  return (hostname, options, callback) => {
    const answer = (fault: NodeJS.ErrnoException | null, address = ''): void => {
      const family = isIP(address)
      if (options.all) callback(fault, fault === null ? [{ address, family }] : [])
      else callback(fault, address, family)
    }
    lookUp(hostname, options, (error, found) => {
      const addresses = found.map(({ address }) => address).slice(0, ADDRESSES_MAX)
      if (error !== null || addresses.length < 2) answer(error, addresses[0])
      else reach(addresses, port, timeoutMs, answer)
    })
  }
}

function reach(
  addresses: readonly string[],
  port: number,
  timeoutMs: number,
  answer: (fault: Error | null, address?: string) => void,
): void {
  const left = [...addresses]
  const finish = (fault: Error | null, address?: string): void => {
    clearTimeout(timer)
    end()
    answer(fault, address)
  }
  // The last one is not waited for: it has the rest of the time for the connection itself.
  const onFailed = (address: string): void => {
    left.splice(left.indexOf(address), 1)
    if (left.length === 1) finish(null, left[0])
  }
  const end = connectAny({ addresses, port, timeoutMs, onFailed }, (fault, socket) => {
    const address = socket?.remoteAddress
    socket?.destroy()
    finish(fault, address)
  })
  const timer = setTimeout(() => finish(timedOut()), timeoutMs)
}
