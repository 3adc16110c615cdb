import type { Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { StatusPage } from '../status/status-page.ts'
import type { Metrics } from './metrics.ts'

/*
 * Not imported: the module form of `node:http` reads every export at once, and one of them loads all of fetch and
 * WebSocket, two megabytes of heap that nobody here calls.
 */
const { createServer } = process.getBuiltinModule('node:http')

export interface StatusSource {
  /** What is not ready, by part, with the reason; empty when everything is. */
  notReady(): Record<string, string>
  publicJwks(): Readonly<Record<string, unknown>>[]
}

/** `/livez`, `/readyz`, `/metrics`, `/jwks.json`, and the status page at `/`. */
export class HttpServer {
  readonly #server: Server
  readonly #page: StatusPage

  constructor(metrics: Metrics, status: StatusSource, page: StatusPage) {
    this.#page = page
    this.#server = createServer((request, response) => {
      const path = (request.url ?? '/').split('?', 1)[0] as string
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        response.setHeader('allow', 'GET, HEAD')
        answer(response, 405, 'text/plain', 'method not allowed\n')
      } else if (path === '/livez') answer(response, 200, 'text/plain', 'ok\n')
      else if (path === '/readyz') {
        const notReady = status.notReady()
        const isReady = Object.keys(notReady).length === 0
        const body = { status: isReady ? 'ready' : 'not ready', ...notReady }
        answer(response, isReady ? 200 : 503, 'application/json', `${JSON.stringify(body)}\n`)
      } else if (path === '/jwks.json') {
        // Short, so that a key that is published before it signs is seen in time.
        response.setHeader('cache-control', 'public, max-age=60')
        answer(response, 200, 'application/jwk-set+json', JSON.stringify({ keys: status.publicJwks() }))
      } else if (path === '/metrics') {
        metrics.registry.metrics().then(
          (text) => answer(response, 200, metrics.registry.contentType, text),
          () => answer(response, 500, 'text/plain', 'the metrics could not be read\n'),
        )
      } else if (!page.answer(path, request, response)) answer(response, 404, 'text/plain', 'not found\n')
    })
  }

  /** Resolves with the port that it listens on. */
  listen(port: number): Promise<number> {
    this.#page.start()
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, () => resolve((this.#server.address() as AddressInfo).port))
    })
  }

  close(): Promise<void> {
    this.#page.close()
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }
}

function answer(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) })
  response.end(response.req.method === 'HEAD' ? undefined : body)
}
