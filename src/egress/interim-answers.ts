import type { Socket } from 'node:net'
import symbols from 'undici/lib/core/symbols.js'

interface Parser {
  onHeadersComplete(status: number, ...rest: unknown[]): number
}

const CONTINUE = 100
/** An interim answer that undici passes over (RFC 2518 §10.1). */
const PROCESSING = 102

let isPrepared = false

/**
 * Lets undici pass over `100 Continue` as over any other interim answer. It gives a connection up on one that it did not
 * ask for, but a client must expect them always (RFC 9110 §15.2), and proxies send them unasked. How many there may be is
 * bounded by what is read of one answer.
 *
 * The class of its parser is not to be had but from a socket that undici has taken over.
 */
export function passOverContinue(socket: Socket): void {
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
