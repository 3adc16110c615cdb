import { constants } from 'node:crypto'
import type { Socket } from 'node:net'
import { createSecureContext } from 'node:tls'
import type { buildConnector as Connector } from 'undici'
import { connectAny, type Handshake } from '../lib/connect-any.ts'
import { RelayFault } from '../lib/errors.ts'
import { RecentFailures } from '../lib/recent-failures.ts'
import { serverName } from '../lib/server-name.ts'
import type { EgressGuard } from './egress-guard.ts'
import { skipContinue } from './interim-answers.ts'
import type { NameResolver } from './name-resolver.ts'
import { permittedAddresses, withoutBrackets } from './permitted-addresses.ts'
import { limitReading } from './read-limit.ts'
import { buildConnector } from './undici.ts'

export interface ConnectorOptions {
  readonly names: NameResolver
  /** From the start of the name lookup to the end of the TLS handshake. Milliseconds. */
  readonly timeoutMs: number
  /** The limit for one answer, head and body together. */
  readonly answerBytesMax: number
}

/**
 * A connector for undici that refuses forbidden addresses at the moment of connecting. It resolves names itself and connects
 * to the checked addresses, so that a later DNS answer has no effect. It checks the socket's real address once more before it
 * writes.
 */
export function guardedConnector(options: ConnectorOptions): GuardedConnector {
  const { names, timeoutMs: timeoutMsMax, answerBytesMax } = options
  const shakeHands = buildConnector({
    allowH2: false,
    // undici's own timers may be a second late; the socket would outlive its attempt.
    timeout: 0,
    // One context for all: parsing the root certificates for each connection costs more than its handshake.
    secureContext: createSecureContext({
      // An RP could request handshakes until the time-out, each at the cost of many attempts.
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    }),
  } as Connector.BuildOptions)
  const failures = new RecentFailures()

  return ({ guard, timeoutMs = timeoutMsMax, ...options }, callback) => {
    const hostname = withoutBrackets(options.hostname)
    const port = Number(options.port) || (options.protocol === 'https:' ? 443 : 80)
    let giveUp = (): void => undefined
    let isOver = false
    const end = (error: Error | null, socket?: Socket | null): void => {
      if (isOver) return
      isOver = true
      clearTimeout(timer)
      if (error !== null || !socket) {
        // undici expects the callback after the call has returned.
        queueMicrotask(() => callback(error ?? new Error('no socket'), null))
        return
      }
      noteBytesRead(socket)
      limitReading(socket, answerBytesMax)
      callback(null, socket)
      skipContinue(socket)
    }
    const timer = setTimeout(() => {
      giveUp()
      end(connectTimeout())
    }, timeoutMs)

    /** Within the address's share of the time: an address that only accepts connections is of no use. */
    const handshake: Handshake = (socket, done) => {
      try {
        guard.checkAddress(socket.remoteAddress ?? '', hostname)
      } catch (refusal) {
        done(refusal as Error)
        return
      }
      if (options.protocol === 'https:') {
        const { servername = '' } = serverName(hostname)
        const secured = { ...options, hostname, servername, httpSocket: socket }
        shakeHands(secured as Connector.Options, done as Connector.Callback)
      } else {
        socket.setNoDelay(true)
        socket.setKeepAlive(true, KEEP_ALIVE_MS)
        done(null, socket)
      }
    }

    permittedAddresses({ protocol: options.protocol, hostname }, guard, names, (error, permitted) => {
      if (isOver) return
      if (error !== null) {
        end(error)
        return
      }
      const ofName = failures.of(hostname, port)
      giveUp = connectAny({ addresses: permitted, port, timeoutMs, handshake, failures: ofName }, end)
    })
  }
}

/** undici's default. */
const KEEP_ALIVE_MS = 60_000

/** An undici connector with the guard that decides, and an optional shorter time-out. */
export type GuardedConnector = (
  options: Connector.Options & { readonly guard: EgressGuard; readonly timeoutMs?: number },
  callback: Connector.Callback,
) => void

function connectTimeout(): RelayFault {
  return new RelayFault('LR_ATTEMPT_TIMEOUT', 'no connection within the timeout')
}

/**
 * Notes on a socket's error how many bytes had been read, as undici does on its own errors. It distinguishes a reused
 * connection that the RP closed from one that never worked. Must be attached before undici's own listener.
 */
function noteBytesRead(socket: Socket): void {
  socket.once('error', (error: Error & { socket?: { bytesRead: number; bytesWritten: number } }) => {
    error.socket ??= { bytesRead: socket.bytesRead, bytesWritten: socket.bytesWritten }
  })
}
