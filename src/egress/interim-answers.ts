import type { Socket } from 'node:net'
import symbols from 'undici/lib/core/symbols.js'

interface Parser {
  onHeadersComplete(status: number, ...rest: unknown[]): number
}

const CONTINUE = 100
/** An interim answer that undici skips (RFC 2518 §10.1). */
const PROCESSING = 102

let isPrepared = false

/**
 * Makes undici skip `100 Continue` like other interim answers. undici drops the connection after an unexpected one, but
 * clients must accept them (RFC 9110 §15.2), and proxies send them unasked. The limit for the whole answer bounds their
 * number.
 *
 * The parser's class is reachable only through a socket that undici uses.
 */
export function skipContinue(socket: Socket): void {
  if (isPrepared) return
  const parser = (socket as unknown as Record<symbol, Parser | undefined>)[symbols.kParser]
  if (parser === undefined) return
  isPrepared = true
  const prototype = Object.getPrototypeOf(parser) as Parser
  const { onHeadersComplete } = prototype
  prototype.onHeadersComplete = function passOver(status, ...rest) {
    return onHeadersComplete.call(this, status === CONTINUE ? PROCESSING : status, ...rest)
  }
}
