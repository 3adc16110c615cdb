import { type LookupAddress, type LookupOptions, lookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { connectAny } from './connect-any.ts'
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
 * Looks a name up as Node does, and of several addresses answers with one that takes connections. For clients that make
 * their sockets themselves: Node would give each address but the last 250 ms.
 */
export function reachableAddress(port: number, timeoutMs: number, lookUp: LookUp = bySystem): LookupFunction {
  return (hostname, options, callback) => {
    lookUp(hostname, options, (error, found) => {
      const answer = (fault: NodeJS.ErrnoException | null, address = '', family = 4): void => {
        if (options.all) callback(fault, fault === null ? [{ address, family }] : [])
        else callback(fault, address, family)
      }
      if (error !== null || found.length < 2) {
        answer(error, found[0]?.address, found[0]?.family)
        return
      }
      const addresses = found.map(({ address }) => address)
      const end = connectAny({ addresses, port, timeoutMs }, (fault, socket) => {
        clearTimeout(timer)
        const { remoteAddress: address, remoteFamily } = socket ?? {}
        socket?.destroy()
        answer(fault, address, remoteFamily === 'IPv6' ? 6 : 4)
      })
      const timer = setTimeout(() => {
        end()
        answer(Object.assign(new Error('none of its addresses answers'), { code: 'ETIMEDOUT' }))
      }, timeoutMs)
    })
  }
}
