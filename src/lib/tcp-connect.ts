import { isIP } from 'node:net'
import { connectAny } from './connect-any.ts'
import { bySystem, type LookUp } from './reachable-address.ts'

export type TcpAnswer =
  | { readonly kind: 'connected'; readonly ms: number }
  | { readonly kind: 'failed'; readonly code: string }

/**
 * Opens and closes a TCP connection. Never throws. Resolves with `ETIMEDOUT` when nothing answers in time, `EAI_AGAIN` when
 * the name server does not answer.
 */
export function tcpConnect(
  host: string,
  port: number,
  timeoutMs: number,
  lookUp: LookUp = bySystem,
): Promise<TcpAnswer> {
  return new Promise((resolve) => {
    const startedAtMs = performance.now()
    const name = host.replace(/^\[|\]$/g, '')
    let late = 'EAI_AGAIN'
    let isOver = false
    let giveUp = (): void => undefined
    const end = (answer: TcpAnswer): void => {
      clearTimeout(timer)
      resolve(answer)
    }
    const failed = (error: unknown): void => {
      end({ kind: 'failed', code: (error as NodeJS.ErrnoException).code ?? 'UNKNOWN' })
    }
    const timer = setTimeout(() => {
      isOver = true
      giveUp()
      end({ kind: 'failed', code: late })
    }, timeoutMs)
    const begin = (addresses: readonly string[]): void => {
      if (isOver) return
      late = 'ETIMEDOUT'
      giveUp = connectAny({ addresses, port, timeoutMs }, (error, socket) => {
        socket?.destroy()
        if (error === null) end({ kind: 'connected', ms: performance.now() - startedAtMs })
        else failed(error)
      })
    }
    if (isIP(name) !== 0) begin([name])
    else {
      lookUp(name, {}, (error, found) => {
        if (error === null) begin(found.map(({ address }) => address))
        else failed(error)
      })
    }
  })
}
