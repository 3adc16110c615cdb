import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { settledWithin } from '../lib/deferred.ts'
import { BoundedConnections } from './bounded-connections.ts'

/*
 * Not imported: the module form of `node:http` reads every export at once, which loads fetch and WebSocket, two megabytes of
 * unused heap.
 */
const { createServer, STATUS_CODES } = process.getBuiltinModule('node:http')

export interface BoundedListenerOptions {
  /** The port by the name of its option, for the message of one that cannot be opened. */
  readonly portText: (port: number) => string
  readonly connectionsMax: number
  /** For a whole request, its body included. Milliseconds. */
  readonly requestMsMax: number
  /**
   * Called for each request with its path, without query. `mustRefuse`: the status with which the request is to be refused
   * whatever it asks. A body is read only by whoever wants it.
   */
  readonly answer: (
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    mustRefuse: number | undefined,
  ) => void
}

const HEADERS_MS_MAX = 5_000
const LIMITS = {
  headersTimeout: HEADERS_MS_MAX,
  // How often the time limits are checked. By default half a request would be held for half a minute.
  connectionsCheckingInterval: 1_000,
  keepAliveTimeout: 5_000,
  maxHeaderSize: 8_192,
  // Answered by this server, like every other error.
  requireHostHeader: false,
} as const
/** A connection without traffic for so long is closed, also one that does not read its answer. */
const SILENCE_MS_MAX = 10_000

/** Set on every answer: nothing may be cached, framed or sniffed as script. */
const GUARDS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

/** Statuses for requests that the parser refuses, by error code. */
const REFUSALS: Readonly<Record<string, number>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_HEADER_OVERFLOW: 431,
}

/** A port that strangers may reach: bounded in connections, in the size of heads and in the time that a request may take. */
export class BoundedListener {
  readonly #server: Server
  readonly #options: BoundedListenerOptions
  readonly #connections: BoundedConnections
  #isDraining = false

  constructor(options: BoundedListenerOptions) {
    this.#options = options
    const limits = { ...LIMITS, requestTimeout: options.requestMsMax }
    this.#server = createServer(limits, (request, response) => this.#answer(request, response))
    this.#server.setTimeout(Math.max(SILENCE_MS_MAX, options.requestMsMax))
    this.#server.on('checkExpectation', (request, response) => this.#answer(request, response, 417))
    // Whoever reads the body asks for it: a body that is refused by its size alone is then never sent.
    this.#server.on('checkContinue', (request, response) => this.#answer(request, response))
    this.#connections = new BoundedConnections(this.#server, options.connectionsMax)
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
      if (socket.writable && !this.#connections.isAnswered(socket)) socket.write(refusal(error.code))
      socket.destroy()
    })
  }

  /** Resolves with what it listens on. `address`: of one interface; all interfaces when missing. */
  listen(port: number, address?: string): Promise<AddressInfo> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => {
        error.message = `${this.#options.portText(port)}${address === undefined ? '' : ` at BIND_ADDRESS ${address}`} cannot be opened (${error.code}); set another`
        reject(error)
      })
      this.#server.listen({ port, host: address }, () => resolve(this.#server.address() as AddressInfo))
    })
  }

  /** Takes no connection any more and waits until every request under way has its answer, for `ms` at most. */
  async drain(ms: number): Promise<void> {
    this.#isDraining = true
    await settledWithin(new Promise((resolve) => this.#server.close(resolve)), ms)
    this.#server.closeAllConnections()
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }

  #answer(request: IncomingMessage, response: ServerResponse, refused = refusedHost(request)): void {
    if (!this.#connections.answers(response)) return
    for (const [name, value] of Object.entries(GUARDS)) response.setHeader(name, value)
    if (this.#isDraining) response.shouldKeepAlive = false
    const path = pathOf(request)
    this.#options.answer(request, response, path, this.#isDraining ? (refused ?? 503) : refused)
  }
}

function refusedHost({ headers, httpVersion }: IncomingMessage): number | undefined {
  return headers.host === undefined && httpVersion === '1.1' ? 400 : undefined
}

/** Without the query. A client that takes this server for a proxy names it as well (RFC 9112 §3.2.2), and nobody else's. */
function pathOf({ headers: { host = '' }, url: target = '/' }: IncomingMessage): string {
  const start = `http://${host}`
  const own = target.toLowerCase().startsWith(start.toLowerCase()) ? target.slice(start.length) : target
  const [path = '/'] = own.split('?', 1)
  return path === '' ? '/' : path
}

export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0
}

export function answer(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) })
  response.end(response.req.method === 'HEAD' ? undefined : body)
}

/** With the words of the status as its body. */
export function answerStatus(response: ServerResponse, status: number): void {
  answer(response, status, 'text/plain', statusText(status))
}

export function statusText(status: number): string {
  return `${STATUS_CODES[status]?.toLowerCase()}\n`
}

function refusal(code = ''): string {
  const status = REFUSALS[code] ?? 400
  const body = statusText(status)
  const headers = {
    ...GUARDS,
    connection: 'close',
    'content-type': 'text/plain',
    'content-length': body.length,
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`
}
