import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { decodeJwt, decodeProtectedHeader, type JWTPayload, type ProtectedHeaderParameters } from 'jose'
import { PATIENCE_MS } from './patience.ts'
import { WatchedList } from './watched-list.ts'

/** One POST as a relying party saw it. */
export interface LogoutRequest {
  /** With the query. */
  readonly url: string
  readonly method: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly token: string
  readonly header: ProtectedHeaderParameters
  readonly claims: JWTPayload
  /** On the monotonic clock. */
  readonly atMs: number
  /** Tells connections apart. */
  readonly connection: Socket
}

export type Answer = (request: LogoutRequest, response: ServerResponse) => void

/** Many relying parties on one port of 127.0.0.1, told apart by their paths; each answers as it is told. */
export class RelyingPartyServer {
  readonly requests = new WatchedList<LogoutRequest>()
  readonly #answers = new Map<string, Answer>()
  readonly #server = createServer((request, response) => this.#take(request, response))
  connections = 0

  static async listen(host = '127.0.0.1'): Promise<RelyingPartyServer> {
    const server = new RelyingPartyServer()
    server.#server.on('connection', () => {
      server.connections++
    })
    server.#server.listen(0, host)
    await once(server.#server, 'listening')
    return server
  }

  private constructor() {
    this.#server.requestTimeout = 0
    this.#server.keepAliveTimeout = 600_000
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** The back-channel logout URI of the relying party at a path; 200 is its answer unless told otherwise. */
  uri(path: string, answer?: Answer | number): string {
    if (typeof answer === 'function') this.#answers.set(path, answer)
    else if (answer !== undefined) this.#answers.set(path, (_request, response) => end(response, answer))
    return `http://127.0.0.1:${this.port}${path}`
  }

  at(path: string): LogoutRequest[] {
    return this.requests.items.filter(({ url }) => url.split('?', 1)[0] === path)
  }

  /** Resolves with the `count`-th request at a path. */
  async waitFor(path: string, count = 1, timeoutMs = PATIENCE_MS): Promise<LogoutRequest> {
    const isEnough = () => this.at(path).length >= count
    const late = () => new Error(`${this.at(path).length} of ${count} requests at ${path} in ${timeoutMs} ms`)
    await this.requests.waitFor(isEnough, timeoutMs, late)
    return this.at(path)[count - 1] as LogoutRequest
  }

  async close(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('error', () => undefined)
    request.on('end', () => {
      const { url = '/', method = '', headers, socket } = request
      const body = Buffer.concat(chunks).toString('latin1')
      const token = new URLSearchParams(body).get('logout_token') ?? ''
      const isToken = token.split('.').length === 3
      const taken: LogoutRequest = {
        url,
        method,
        headers,
        body,
        token,
        header: isToken ? decodeProtectedHeader(token) : {},
        claims: isToken ? decodeJwt(token) : {},
        atMs: performance.now(),
        connection: socket,
      }
      const answer = this.#answers.get(url.split('?', 1)[0] as string)
      // The answer first, so that whoever waits for the request finds it under way.
      if (answer === undefined) end(response, 200)
      else answer(taken, response)
      this.requests.add(taken)
    })
  }
}

/** Answers with a status, headers and no body. */
export function end(response: ServerResponse, status: number, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'cache-control': 'no-store', ...headers }).end()
}
