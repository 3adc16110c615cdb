import { type LookupAddress, lookup as resolve } from 'node:dns'
import type { LookupFunction } from 'node:net'
import type { EgressGuard } from './egress-guard.ts'

type Waiting = (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void

/**
 * `dns.lookup` whose answer holds permitted addresses only.
 *
 * Connections that ask for the same name at one time share one question. It occupies one of few threads until the
 * name server answers; a single RP whose name server never does would otherwise take all of them from the others.
 */
export function guardedLookup(guard: EgressGuard): LookupFunction {
  const waiting = new Map<string, Waiting[]>()

  function lookup(hostname: string, answer: Waiting): void {
    const others = waiting.get(hostname)
    if (others !== undefined) {
      others.push(answer)
      return
    }
    const all = [answer]
    waiting.set(hostname, all)
    resolve(hostname, { all: true }, (error, addresses) => {
      waiting.delete(hostname)
      for (const each of all) each(error, addresses)
    })
  }

  return (hostname, options, callback) => {
    lookup(hostname, (error, addresses) => {
      if (error !== null) {
        callback(error, [])
        return
      }
      let permitted: LookupAddress[]
      try {
        permitted = guard.permitted(hostname, addresses)
      } catch (refusal) {
        callback(refusal as NodeJS.ErrnoException, [])
        return
      }
      const first = permitted[0] as LookupAddress
      if (options.all === true) callback(null, permitted)
      else callback(null, first.address, first.family)
    })
  }
}
