import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Behaviour } from './protocol.ts'

/** Longer than any test: an idle connection must be closed by the relay or not at all. */
const KEEP_ALIVE_MS = 600_000

export type ReceiveLogout = (
  contentType: string | undefined,
  body: string,
  accepting: boolean,
) => 'valid' | 'invalid'

/** One relying party: an HTTP listener whose behaviour can be changed while it runs. Its port stays the same. */
export class Origin {
  readonly #receive: ReceiveLogout
  #behaviour: Behaviour = { kind: 'answer', status: 200 }
  #server: Server
  #port = 0

  constructor(receive: ReceiveLogout) {
    this.#receive = receive
    this.#server = this.#createServer()
  }

  get port(): number {
    return this.#port
  }

  async listen(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
  }

  /** Resolves when the new behaviour is in force; requests that hang stay as they are. */
  async behave(behaviour: Behaviour): Promise<void> {
    const refused = this.#behaviour.kind === 'refuse'
    this.#behaviour = behaviour
    if (behaviour.kind === 'refuse' && !refused) {
      const closed = once(this.#server, 'close')
      this.#server.close()
      this.#server.closeAllConnections()
      await closed
    } else if (behaviour.kind !== 'refuse' && refused) {
      this.#server = this.#createServer()
      await this.listen()
    }
  }

  async openConnections(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)))
    })
  }

  #createServer(): Server {
    const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
      let body = ''
      request.setEncoding('latin1')
      request.on('data', (chunk: string) => {
        body += chunk
      })
      request.on('end', () => this.#answer(request, response, body))
    })
    // Hanging is a behaviour here, so the server must not end a request by itself.
    server.requestTimeout = 0
    server.headersTimeout = 0
    return server
  }

  #answer(request: IncomingMessage, response: ServerResponse, body: string): void {
    const behaviour = this.#behaviour
    const accepting = behaviour.kind === 'answer' && (behaviour.status === 200 || behaviour.status === 204)
    const verdict = this.#receive(request.headers['content-type'], body, accepting)
    if (behaviour.kind === 'hang') return
    if (behaviour.kind !== 'answer') {
      request.socket.resetAndDestroy()
      return
    }
    const status = verdict === 'valid' ? behaviour.status : 400
    if (behaviour.delayMs === undefined) send(response, status, behaviour.retryAfter)
    else setTimeout(send, behaviour.delayMs, response, status, behaviour.retryAfter)
  }
}

function send(response: ServerResponse, status: number, retryAfter: string | undefined): void {
  response.sendDate = false
  response.setHeader('cache-control', 'no-store')
  if (status !== 204) response.setHeader('content-length', 0)
  if (retryAfter !== undefined) response.setHeader('retry-after', retryAfter)
  response.statusCode = status
  response.end()
}
