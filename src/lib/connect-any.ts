import { connect, type Socket } from 'node:net'

/** RFC 8305 §5. */
const STAGGER_MS = 250
/** A name with many addresses takes no more sockets than that at one time. */
const OPEN_MAX = 3
export const ADDRESSES_MAX = 16

export interface ConnectAnyOptions {
  /** At least one. Those that are likelier to work first; families take turns. */
  readonly addresses: readonly string[]
  readonly port: number
  /** Of which each address has its share. Whoever calls ends the whole when it is over. */
  readonly timeoutMs: number
  /** Called with each address that has failed, or had its share, before the next is tried. */
  readonly onFailed?: (address: string) => void
}

/**
 * Connects to whichever address takes a connection first. The next is tried when one fails or has not answered for a
 * moment, while that one is waited for; only when three wait, and others are left, does the oldest make room.
 *
 * Node by itself gives each address but the last 250 ms and then gives it up, so that a server that takes longer is
 * never reached when another address of its name is of no use.
 *
 * Returns what ends it without a further call of `done`.
 */
export function connectAny(
  { addresses, port, timeoutMs, onFailed }: ConnectAnyOptions,
  done: (error: Error | null, socket?: Socket) => void,
): () => void {
  const left = familiesInTurn(addresses).slice(0, ADDRESSES_MAX)
  const shareMs = timeoutMs / Math.ceil(left.length / OPEN_MAX)
  const staggerMs = Math.min(STAGGER_MS, timeoutMs / left.length)
  const open = new Map<Socket, { readonly address: string; readonly begunAtMs: number }>()
  let fault: Error | undefined
  let timer: NodeJS.Timeout | undefined
  let isOver = false

  const end = (winner?: Socket): void => {
    isOver = true
    clearTimeout(timer)
    for (const socket of open.keys()) if (socket !== winner) socket.destroy()
    open.clear()
  }

  const failed = (socket: Socket, error: Error): void => {
    const { address = '' } = open.get(socket) ?? {}
    if (isOver || !open.delete(socket)) return
    socket.destroy()
    onFailed?.(address)
    if (isOver) return
    if (fault === undefined || weight(error) > weight(fault)) fault = error
    next()
  }

  const next = (): void => {
    clearTimeout(timer)
    const address = left.shift()
    if (address === undefined) {
      if (open.size > 0) return
      end()
      done(fault ?? timedOut())
      return
    }
    const socket = connect({ host: address, port })
    open.set(socket, { address, begunAtMs: performance.now() })
    socket.on('error', (error) => failed(socket, error))
    socket.once('connect', () => {
      if (isOver) return
      end(socket)
      socket.removeAllListeners('error')
      done(null, socket)
    })
    if (left.length > 0) timer = setTimeout(goOn, open.size < OPEN_MAX ? staggerMs : shareLeft())
  }

  const oldest = () => [...open][0] as [Socket, { readonly begunAtMs: number }]
  const shareLeft = (): number => Math.max(oldest()[1].begunAtMs + shareMs - performance.now(), 0)
  const goOn = (): void => {
    if (open.size < OPEN_MAX) next()
    else failed(oldest()[0], timedOut())
  }

  next()
  return () => end()
}

/** As they come, an IPv4 and an IPv6 address in turn: what keeps one from working often keeps its family from it. */
function familiesInTurn(addresses: readonly string[]): string[] {
  const isSix = (address: string) => address.includes(':')
  const first = addresses.filter((address) => isSix(address) === isSix(addresses[0] ?? ''))
  const second = addresses.filter((address) => isSix(address) !== isSix(addresses[0] ?? ''))
  return Array.from({ length: Math.max(first.length, second.length) }, (_, i) => [first[i], second[i]])
    .flat()
    .filter((address) => address !== undefined)
}

/**
 * How much an error tells of all addresses: least, that this machine has no way to one of them; little, that it had no port
 * left, or none for that family, or that time was up.
 */
function weight(error: Error): number {
  const code = (error as NodeJS.ErrnoException).code ?? ''
  if (['ENETUNREACH', 'EHOSTUNREACH', 'EAFNOSUPPORT'].includes(code)) return 0
  return ['EADDRNOTAVAIL', 'ETIMEDOUT'].includes(code) ? 1 : 2
}

export function timedOut(): Error {
  return Object.assign(new Error('nothing answers there'), { code: 'ETIMEDOUT' })
}
