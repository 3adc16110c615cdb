import { connect, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions as TlsOptions } from 'node:tls'
import type { NameFailures } from './recent-failures.ts'

/** RFC 8305 §5. */
const STAGGER_MS = 250
/**
 * Delay before the next address is tried while one is in its TLS handshake. Handshakes are slow on a busy machine, which must
 * not get three times as many.
 */
const HANDSHAKE_STAGGER_MS = 1_000
/** Sockets that one name may hold open at a time. */
const OPEN_MAX = 3
/** Attempts for one name. The addresses that are left come first the next time. */
const TRIES_MAX = 64

/** What follows a TCP connection. Calls `done` once, with the socket to use. Destroying the given socket must end it. */
export type Handshake = (socket: Socket, done: (error: Error | null, socket?: Socket | null) => void) => void

export interface ConnectAnyOptions {
  /** At least one, the most promising first; IPv4 and IPv6 alternate. */
  readonly addresses: readonly string[]
  readonly port: number
  /** Each address gets a share of it. The caller enforces the whole. */
  readonly timeoutMs: number
  /** An address wins when this succeeds. Without it a TCP connection is enough. */
  readonly handshake?: Handshake | undefined
  /** Addresses that failed recently are tried last. */
  readonly failures?: NameFailures | undefined
  /** Called with each address that failed or used up its share, before the next is tried. */
  readonly onFailed?: (address: string, error: Error) => void
}

interface Try {
  readonly address: string
  readonly begunAtMs: number
  /** When it makes room, if other addresses wait and no more sockets may be open. */
  readonly shareEndsAtMs: number
  isConnected: boolean
}

/**
 * Connects to the address that first completes the connection and the handshake. The next address is tried when one fails or
 * has not answered for a moment; the slow one stays in the race. When three are open and more are left, the oldest is
 * dropped. An address that fails leaves its share of the time to the others.
 *
 * Node itself gives each address but the last 250 ms. It never reaches a slower server when another address of its name does
 * not work.
 *
 * Returns a function that cancels without a further call of `done`.
 */
export function connectAny(
  { addresses, port, timeoutMs, handshake, failures, onFailed }: ConnectAnyOptions,
  done: (error: Error | null, socket?: Socket) => void,
): () => void {
  const alternating = familiesInTurn(addresses)
  const left = (failures?.lastOf(alternating) ?? alternating).slice(0, TRIES_MAX)
  const endsAtMs = performance.now() + timeoutMs
  const staggerMsMax = timeoutMs / left.length
  const open = new Map<Socket, Try>()
  let fault: Error | undefined
  let timer: NodeJS.Timeout | undefined
  let isOver = false

  const end = (): void => {
    isOver = true
    clearTimeout(timer)
    for (const socket of open.keys()) socket.destroy()
    open.clear()
  }

  const won = (socket: Socket, usable: Socket): void => {
    const { address, begunAtMs } = open.get(socket) as Try
    open.delete(socket)
    failures?.forget(address)
    // It started before the winner and lost.
    for (const other of open.values()) if (other.begunAtMs < begunAtMs) failures?.note(other.address)
    end()
    done(null, usable)
  }

  const failed = (socket: Socket, error: Error): void => {
    const { address = '' } = open.get(socket) ?? {}
    if (isOver || !open.delete(socket)) return
    socket.destroy()
    failures?.note(address)
    onFailed?.(address, error)
    if (isOver) return
    if (fault === undefined || weight(error) > weight(fault)) fault = error
    next()
  }

  const next = (): void => {
    const address = left.shift()
    if (address === undefined) {
      wait()
      if (open.size > 0) return
      end()
      done(fault ?? timedOut())
      return
    }
    const now = performance.now()
    const rounds = Math.ceil((left.length + 1 + open.size) / OPEN_MAX)
    const socket = connect({ host: address, port })
    const begun = {
      address,
      begunAtMs: now,
      shareEndsAtMs: now + (endsAtMs - now) / rounds,
      isConnected: false,
    }
    open.set(socket, begun)
    const onError = (error: Error) => failed(socket, error)
    socket.on('error', onError)
    socket.once('connect', () => {
      if (isOver || !open.has(socket)) return
      begun.isConnected = true
      wait()
      const onHandshake: Parameters<Handshake>[1] = (error, usable) => {
        if (isOver || !open.has(socket)) return
        if (error !== null || !usable) {
          failed(socket, error ?? new Error('no socket'))
          return
        }
        if (usable === socket) socket.off('error', onError)
        won(socket, usable)
      }
      if (handshake === undefined) onHandshake(null, socket)
      else handshake(socket, onHandshake)
    })
    wait()
  }

  const wait = (): void => {
    clearTimeout(timer)
    if (left.length === 0 || open.size === 0) return
    const [oldest, latest] = [[...open.values()][0], [...open.values()].at(-1)] as [Try, Try]
    const staggerMs = Math.min(latest.isConnected ? HANDSHAKE_STAGGER_MS : STAGGER_MS, staggerMsMax)
    const untilMs = open.size < OPEN_MAX ? latest.begunAtMs + staggerMs : oldest.shareEndsAtMs
    timer = setTimeout(goOn, Math.max(untilMs - performance.now(), 0))
  }
  const goOn = (): void => {
    if (open.size < OPEN_MAX) next()
    else failed([...open.keys()][0] as Socket, timedOut())
  }

  next()
  return end
}

/** A TLS handshake. It finds a server that works above TCP and has a trusted certificate. */
export function tlsHandshake(options: TlsOptions): Handshake {
  return (socket, done) => {
    const secured = connectTls({ ...options, socket })
    secured.once('secureConnect', () => done(null, secured))
    secured.on('error', (error) => done(error))
  }
}

/** Alternates IPv4 and IPv6 addresses in the given order: an outage often hits a whole family. */
function familiesInTurn(addresses: readonly string[]): string[] {
  const isSix = (address: string) => address.includes(':')
  const first = addresses.filter((address) => isSix(address) === isSix(addresses[0] ?? ''))
  const second = addresses.filter((address) => isSix(address) !== isSix(addresses[0] ?? ''))
  return Array.from({ length: Math.max(first.length, second.length) }, (_, i) => [first[i], second[i]])
    .flat()
    .filter((address) => address !== undefined)
}

/**
 * How much an error says about the server. Least: this machine has no route. More: it had no free port, does not support the
 * family, or ran out of time. Most: the connection was made and then failed.
 */
function weight(error: Error): number {
  const code = (error as NodeJS.ErrnoException).code ?? ''
  if (['ENETUNREACH', 'EHOSTUNREACH', 'EAFNOSUPPORT'].includes(code)) return 0
  if (['EADDRNOTAVAIL', 'ETIMEDOUT'].includes(code)) return 1
  return code === 'ECONNREFUSED' ? 2 : 3
}

/** Whether the connection was made and something else failed. */
export function wasReached(error: Error): boolean {
  return weight(error) === 3
}

export function timedOut(): Error {
  return Object.assign(new Error('nothing answers there'), { code: 'ETIMEDOUT' })
}
