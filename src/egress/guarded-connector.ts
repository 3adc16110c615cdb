import { type LookupAddress, lookup as resolve } from 'node:dns'
import { isIP, type LookupFunction, type Socket } from 'node:net'
import { createSecureContext } from 'node:tls'
import type { buildConnector as Connector } from 'undici'
import type { EgressGuard } from './egress-guard.ts'
import { buildConnector } from './undici.ts'

/**
 * A connector for undici that refuses forbidden addresses at the only moment that counts, the connect. IP
 * literals never reach a `lookup` function, so they are checked first; names are resolved here, and the socket
 * gets the checked addresses themselves, so that a second answer of the DNS has no effect; and the address that
 * the socket really has is checked once more before a byte of HTTP is written.
 */
export function guardedConnector(guard: EgressGuard, timeoutMs: number): Connector.connector {
  const connect = buildConnector({
    allowH2: false,
    timeout: timeoutMs,
    lookup: guardedLookup(guard),
    // One context for all: parsing the root certificates for each connection costs more than its handshake.
    secureContext: createSecureContext(),
  } as Connector.BuildOptions)

  return (options, callback) => {
    const hostname = options.hostname.replace(/^\[|\]$/g, '')
    try {
      guard.checkProtocol(options.protocol)
      if (isIP(hostname) !== 0 && !guard.isHostAllowed(hostname)) guard.checkAddress(hostname)
    } catch (error) {
      // undici expects a connector to answer later, never from inside the call.
      queueMicrotask(() => callback(error as Error, null))
      return
    }
    connect({ ...options, hostname }, (error, socket) => {
      if (error !== null || socket === null) {
        callback(error ?? new Error('no socket'), null)
        return
      }
      try {
        if (!guard.isHostAllowed(hostname)) guard.checkAddress(socket.remoteAddress ?? '')
      } catch (refusal) {
        socket.destroy()
        callback(refusal as Error, null)
        return
      }
      rememberBytesRead(socket)
      callback(null, socket)
    })
  }
}

/**
 * Notes on a socket's error how much had been read from it, as undici does on errors of its own: it tells a reused
 * connection that the RP gave up from one that never worked. Attached before undici's own listener.
 */
function rememberBytesRead(socket: Socket): void {
  socket.once('error', (error: Error & { socket?: { bytesRead: number; bytesWritten: number } }) => {
    error.socket ??= { bytesRead: socket.bytesRead, bytesWritten: socket.bytesWritten }
  })
}

/** `dns.lookup` whose answer holds permitted addresses only. */
function guardedLookup(guard: EgressGuard): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
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
