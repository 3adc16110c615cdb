import { constants } from 'node:crypto'
import { isIP, type Socket } from 'node:net'
import { createSecureContext } from 'node:tls'
import type { buildConnector as Connector } from 'undici'
import { RelayFault } from '../errors.ts'
import type { EgressGuard } from './egress-guard.ts'
import { guardedLookup } from './guarded-lookup.ts'
import { limitReading } from './read-limit.ts'
import { buildConnector } from './undici.ts'

export interface ConnectorOptions {
  readonly guard: EgressGuard
  /** From the start of the name's lookup to the end of the TLS handshake. Milliseconds. */
  readonly timeoutMs: number
  /** What may be read in return for one request, head and body together. */
  readonly answerBytesMax: number
}

/**
 * A connector for undici that refuses forbidden addresses at the only moment that counts, the connect. IP
 * literals never reach a `lookup` function, so they are checked first; names are resolved here, and the socket
 * gets the checked addresses themselves, so that a second answer of the DNS has no effect; and the address that
 * the socket really has is checked once more before a byte of HTTP is written.
 */
export function guardedConnector(options: ConnectorOptions): GuardedConnector {
  const { guard, timeoutMs: timeoutMsMax, answerBytesMax } = options
  const connect = buildConnector({
    allowH2: false,
    // undici's own timers may be a second late, and so long the socket would outlive its attempt.
    timeout: 0,
    lookup: guardedLookup(guard),
    // One context for all: parsing the root certificates for each connection costs more than its handshake.
    secureContext: createSecureContext({
      // An RP could ask for one handshake after the other until the time-out, each at the price of many attempts.
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    }),
  } as Connector.BuildOptions) as SocketConnector

  return ({ timeoutMs = timeoutMsMax, ...options }, callback) => {
    const hostname = options.hostname.replace(/^\[|\]$/g, '')
    try {
      guard.checkProtocol(options.protocol)
      if (isIP(hostname) !== 0 && !guard.isHostAllowed(hostname)) guard.checkAddress(hostname)
    } catch (error) {
      // undici expects a connector to answer later, never from inside the call.
      queueMicrotask(() => callback(error as Error, null))
      return
    }
    const connecting = connect({ ...options, hostname }, (error, socket) => {
      clearTimeout(timer)
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
      limitReading(socket, answerBytesMax)
      callback(null, socket)
    })
    const timer = setTimeout(() => connecting.destroy(connectTimeout()), timeoutMs)
  }
}

/** One of undici, for which the time may be less. */
export type GuardedConnector = (
  options: Connector.Options & { readonly timeoutMs?: number },
  callback: Connector.Callback,
) => void

/** As undici's connector is, though its type does not say that it returns the socket while that still connects. */
type SocketConnector = (...parameters: Parameters<Connector.connector>) => Socket

function connectTimeout(): RelayFault {
  return new RelayFault('LR_ATTEMPT_TIMEOUT', 'no connection within the time-out')
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
