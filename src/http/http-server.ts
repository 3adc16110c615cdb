import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { type AddressInfo, isIPv6, type Socket } from 'node:net'
import { isLoopbackHost } from '../lib/loopback-host.ts'
import type { StatusPage } from '../status/status-page.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { BoundedConnections } from './bounded-connections.ts'

/*
 * Not imported: the module form of `node:http` reads every export at once, which loads fetch and WebSocket, two megabytes of
 * unused heap.
 */
const { createServer, STATUS_CODES } = process.getBuiltinModule('node:http')

export interface StatusSource {
  /** The parts that are not ready, each with the reason. Empty when all are. */
  notReady(): Record<string, string>
  readonly mode: 'live' | 'shadow'
  readonly issuers: JwksSource
}

/** The public keys by issuer. */
export interface JwksSource {
  /** The only issuer; `undefined` where there are several. */
  readonly only: string | undefined
  known(): Iterable<{ readonly id: string }>
  /** `undefined` for an issuer that is not known. */
  jwks(issuer: string): Promise<readonly Readonly<Record<string, unknown>>[] | undefined>
}

/** Enough for probes, scrapers, twenty viewers and a few more; a quarter of the process's descriptors if that is less. */
const CONNECTIONS_MAX = 64
const LIMITS = {
  // For the whole request and for its head. Clients have nothing to upload here.
  requestTimeout: 5_000,
  headersTimeout: 5_000,
  // How often both are checked. By default half a request would be held for half a minute.
  connectionsCheckingInterval: 1_000,
  keepAliveTimeout: 5_000,
  maxHeaderSize: 8_192,
  // Answered by this server, like every other error.
  requireHostHeader: false,
} as const
/** Issuers that the index of key sets names. */
const INDEX_MAX = 10_000
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

/** `/livez`, `/readyz`, `/metrics`, `/jwks.json`, and the status page at `/`. */
export class HttpServer {
  readonly #server: Server
  readonly #connections: BoundedConnections
  readonly #metrics: Metrics
  readonly #status: StatusSource
  readonly #page: StatusPage
  /** The loopback address that it listens on; undefined when other machines may reach it. */
  #loopback: string | undefined
  #reading: Promise<string> | undefined

  constructor(metrics: Metrics, status: StatusSource, page: StatusPage) {
    this.#metrics = metrics
    this.#status = status
    this.#page = page
    this.#server = createServer(LIMITS, (request, response) => this.#answer(request, response))
    this.#server.setTimeout(SILENCE_MS_MAX)
    this.#server.on('checkExpectation', (request, response) => this.#answer(request, response, 417))
    this.#connections = new BoundedConnections(this.#server, CONNECTIONS_MAX)
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
      if (socket.writable && !this.#connections.isAnswered(socket)) socket.write(refusal(error.code))
      socket.destroy()
    })
  }

  /** Resolves with the port. `address`: of one interface; all interfaces when missing. */
  listen(port: number, address?: string): Promise<number> {
    this.#page.start()
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => {
        error.message = `PORT ${port}${address === undefined ? '' : ` at BIND_ADDRESS ${address}`} cannot be opened (${error.code}); set another`
        reject(error)
      })
      this.#server.listen({ port, host: address }, () => {
        const bound = this.#server.address() as AddressInfo
        this.#loopback = isLoopbackHost(bound.address) ? bound.address : undefined
        resolve(bound.port)
      })
    })
  }

  close(): Promise<void> {
    this.#page.close()
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }

  #answer(request: IncomingMessage, response: ServerResponse, refused = this.#refused(request)): void {
    if (!this.#connections.answers(response)) return
    for (const [name, value] of Object.entries(GUARDS)) response.setHeader(name, value)
    // The body of the request is not read.
    if (hasBody(request) || refused !== undefined) response.shouldKeepAlive = false
    const path = (request.url ?? '/').split('?', 1)[0] as string
    if (refused !== undefined) answerText(response, refused)
    else if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD')
      answerText(response, 405)
    } else if (path === '/livez') answer(response, 200, 'text/plain', 'ok\n')
    else if (path === '/readyz') {
      const notReady = this.#status.notReady()
      const isReady = Object.keys(notReady).length === 0
      const mode = this.#status.mode === 'shadow' && { mode: 'shadow' }
      const body = { status: isReady ? 'ready' : 'not ready', ...mode, ...notReady }
      answer(response, isReady ? 200 : 503, 'application/json', `${JSON.stringify(body)}\n`)
    } else if (path === '/jwks.json') {
      this.#answerJwks(
        response,
        new URLSearchParams(request.url?.slice(path.length + 1)).get('issuer'),
      ).catch(() => answer(response, 503, 'text/plain', 'the keys of that issuer cannot be read\n'))
    } else if (path === '/metrics') {
      this.#readMetrics().then(
        (text) => answer(response, 200, this.#metrics.registry.contentType, text),
        () => answer(response, 500, 'text/plain', 'the metrics could not be read\n'),
      )
    } else if (!this.#page.answer(path, request, response)) answerText(response, 404)
  }

  /** Never of several issuers together: two of them may use one `kid`. */
  async #answerJwks(response: ServerResponse, asked: string | null): Promise<void> {
    const { issuers } = this.#status
    const issuer = asked ?? issuers.only
    if (issuer === undefined) {
      const index = [...issuers.known()]
        .slice(0, INDEX_MAX)
        .map(({ id }) => ({ issuer: id, jwks: `/jwks.json?issuer=${encodeURIComponent(id)}` }))
      answer(response, 200, 'application/json', JSON.stringify({ issuers: index }))
      return
    }
    const keys = await issuers.jwks(issuer)
    if (keys === undefined) {
      answerText(response, 404)
      return
    }
    // Short, so that clients see a key in the time between its publication and its first use.
    response.setHeader('cache-control', 'public, max-age=60')
    answer(response, 200, 'application/jwk-set+json', JSON.stringify({ keys }))
  }

  /** The status for a request that is refused whatever its path. */
  #refused({ headers, httpVersion }: IncomingMessage): number | undefined {
    const { host } = headers
    if (host === undefined) return httpVersion === '1.1' ? 400 : undefined
    if (this.#loopback === undefined) return undefined
    // DNS rebinding: a foreign page could make its own name resolve to this server and read it as its own.
    const name = host.replace(/:\d*$/, '').toLowerCase()
    const own = isIPv6(this.#loopback) ? `[${this.#loopback}]` : this.#loopback
    return ['localhost', '127.0.0.1', '[::1]', own].includes(name) ? undefined : 421
  }

  /** Concurrent requests share one reading. */
  #readMetrics(): Promise<string> {
    this.#reading ??= this.#metrics.registry.metrics().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0
}

function answerText(response: ServerResponse, status: number): void {
  answer(response, status, 'text/plain', bodyOf(status))
}

function answer(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) })
  response.end(response.req.method === 'HEAD' ? undefined : body)
}

function refusal(code = ''): string {
  const status = REFUSALS[code] ?? 400
  const body = bodyOf(status)
  const headers = {
    ...GUARDS,
    connection: 'close',
    'content-type': 'text/plain',
    'content-length': body.length,
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`
}

function bodyOf(status: number): string {
  if (status === 421)
    return 'this port answers only requests for localhost; use that name, or set BIND_ADDRESS\n'
  return `${STATUS_CODES[status]?.toLowerCase()}\n`
}
