import { connect } from 'node:net'

export type TcpAnswer =
  | { readonly kind: 'connected'; readonly ms: number }
  | { readonly kind: 'failed'; readonly code: string }

/** Opens a TCP connection and closes it again. Never throws; `ETIMEDOUT` when nothing answers in time. */
export function tcpConnect(host: string, port: number, timeoutMs: number): Promise<TcpAnswer> {
  return new Promise((resolve) => {
    const startedAtMs = performance.now()
    const socket = connect({ host: host.replace(/^\[|\]$/g, ''), port })
    const end = (answer: TcpAnswer): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(answer)
    }
    const timer = setTimeout(() => end({ kind: 'failed', code: 'ETIMEDOUT' }), timeoutMs)
    socket.on('connect', () => end({ kind: 'connected', ms: performance.now() - startedAtMs }))
    socket.on('error', ({ code = 'UNKNOWN' }: NodeJS.ErrnoException) => end({ kind: 'failed', code }))
  })
}
