import { lookup } from 'node:dns'
import { connect, isIP, type LookupFunction } from 'node:net'

export type TcpAnswer =
  | { readonly kind: 'connected'; readonly ms: number }
  | { readonly kind: 'failed'; readonly code: string }

/**
 * Opens a TCP connection and closes it again. Never throws; `ETIMEDOUT` when nothing answers in time, `EAI_AGAIN` when
 * it is the name server that does not.
 */
export function tcpConnect(
  host: string,
  port: number,
  timeoutMs: number,
  resolveName: LookupFunction = lookup as LookupFunction,
): Promise<TcpAnswer> {
  return new Promise((resolve) => {
    const startedAtMs = performance.now()
    const name = host.replace(/^\[|\]$/g, '')
    let isResolved = isIP(name) !== 0
    const socket = connect({ host: name, port, lookup: resolveName })
    const end = (answer: TcpAnswer): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(answer)
    }
    const late = (): void => end({ kind: 'failed', code: isResolved ? 'ETIMEDOUT' : 'EAI_AGAIN' })
    const timer = setTimeout(late, timeoutMs)
    socket.on('lookup', (error) => {
      isResolved = error === null
    })
    socket.on('connect', () => end({ kind: 'connected', ms: performance.now() - startedAtMs }))
    socket.on('error', ({ code = 'UNKNOWN' }: NodeJS.ErrnoException) => end({ kind: 'failed', code }))
  })
}
