import { connect, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions as TlsOptions } from 'node:tls'
import type { NameFailures } from './recent-failures.ts'

/** RFC 8305 §5. */
const STAGGER_MS = 250
/**
 * Until the next is tried beside an address that has taken the connection and shakes hands: a machine that is busy takes
 * long for handshakes, and must not get three times as many of them.
 */
const HANDSHAKE_STAGGER_MS = 1_000
/** A name with many addresses takes no more sockets than that at one time, */
const OPEN_MAX = 3
/** nor is it given more tries than that: those that are left come first the next time. */
const TRIES_MAX = 64

/** What follows a TCP connection; answers once, with the socket to use. Destroying the socket it got must end it. */
export type Handshake = (socket: Socket, done: (error: Error | null, socket?: Socket | null) => void) => void

export interface ConnectAnyOptions {
  /** At least one. Those that are likelier to work first; families take turns. */
  readonly addresses: readonly string[]
  readonly port: number
  /** Of which each address has its share. Whoever calls ends the whole when it is over. */
  readonly timeoutMs: number
  /** An address wins when this is over. Without it the TCP connection is enough. */
  readonly handshake?: Handshake | undefined
  /** Addresses that failed lately come last. */
  readonly failures?: NameFailures | undefined
  /** Called with each address that has failed, or had its share, before the next is tried. */
  readonly onFailed?: (address: string, error: Error) => void
}

interface Try {
  readonly address: string
  readonly begunAtMs: number
  /** When it makes room, if others wait and no more may be open. */
  readonly shareEndsAtMs: number
  isConnected: boolean
}

/**
 * Connects to whichever address takes a connection, and ends the handshake, first. The next is tried when one fails or
 * has not answered for a moment, while that one is waited for; only when three wait, and others are left, does the
 * oldest make room. One that refuses leaves its share of the time to the others.
 *
 * Node by itself gives each address but the last 250 ms and then gives it up, so that a server that takes longer is
 * never reached when another address of its name is of no use.
 *
 * Returns what ends it without a further call of `done`.
 */
export function connectAny(
  { addresses, port, timeoutMs, handshake, failures, onFailed }: ConnectAnyOptions,
  done: (error: Error | null, socket?: Socket) => void,
): () => void {
  const inTurn = familiesInTurn(addresses)
  const left = (failures?.lastOf(inTurn) ?? inTurn).slice(0, TRIES_MAX)
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
    // Overtaken: it had a start on the winner.
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
      const shaken: Parameters<Handshake>[1] = (error, usable) => {
        if (isOver || !open.has(socket)) return
        if (error !== null || !usable) {
          failed(socket, error ?? new Error('no socket'))
          return
        }
        if (usable === socket) socket.off('error', onError)
        won(socket, usable)
      }
      if (handshake === undefined) shaken(null, socket)
      else handshake(socket, shaken)
    })
    wait()
  }

  /** Until the next address is tried. */
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

/** A TLS handshake by which a server is found that goes on after TCP, and has a certificate that is trusted. */
export function tlsHandshake(options: TlsOptions): Handshake {
  return (socket, done) => {
    const secured = connectTls({ ...options, socket })
    secured.once('secureConnect', () => done(null, secured))
    secured.on('error', (error) => done(error))
  }
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
 * left, or none for that family, or that time was up; most, what came of a connection that was made.
 */
function weight(error: Error): number {
  const code = (error as NodeJS.ErrnoException).code ?? ''
  if (['ENETUNREACH', 'EHOSTUNREACH', 'EAFNOSUPPORT'].includes(code)) return 0
  if (['EADDRNOTAVAIL', 'ETIMEDOUT'].includes(code)) return 1
  return code === 'ECONNREFUSED' ? 2 : 3
}

/** Whether the connection was made, and something else is wrong. */
export function wasReached(error: Error): boolean {
  return weight(error) === 3
}

export function timedOut(): Error {
  return Object.assign(new Error('nothing answers there'), { code: 'ETIMEDOUT' })
}
