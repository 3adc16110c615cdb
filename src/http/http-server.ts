import type { IncomingMessage, ServerResponse } from 'node:http'
import { isIPv6 } from 'node:net'
import { isLoopbackHost } from '../lib/loopback-host.ts'
import type { StatusPage } from '../status/status-page.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { answer, answerStatus, BoundedListener, hasBody } from './bounded-listener.ts'

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
/** Clients have nothing to upload here. */
const REQUEST_MS_MAX = 5_000
/** Issuers that the index of key sets names. */
const INDEX_MAX = 10_000
const FOREIGN_NAME = 'this port answers only requests for localhost; use that name, or set BIND_ADDRESS\n'

/** `/livez`, `/readyz`, `/metrics`, `/jwks.json`, and the status page at `/`. */
export class HttpServer {
  readonly #listener: BoundedListener
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
    this.#listener = new BoundedListener({
      portText: (port) => `PORT ${port}`,
      connectionsMax: CONNECTIONS_MAX,
      requestMsMax: REQUEST_MS_MAX,
      answer: (request, response, path, mustRefuse) =>
        this.#answer(request, response, path, mustRefuse ?? this.#refusedName(request)),
    })
  }

  /** Resolves with the port. `address`: of one interface; all interfaces when missing. */
  async listen(port: number, address?: string): Promise<number> {
    this.#page.start()
    const bound = await this.#listener.listen(port, address)
    this.#loopback = isLoopbackHost(bound.address) ? bound.address : undefined
    return bound.port
  }

  close(): Promise<void> {
    this.#page.close()
    return this.#listener.close()
  }

  #answer(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    refused: number | undefined,
  ): void {
    // The body of the request is not read.
    if (hasBody(request) || refused !== undefined) response.shouldKeepAlive = false
    if (refused === 421) answer(response, refused, 'text/plain', FOREIGN_NAME)
    else if (refused !== undefined) answerStatus(response, refused)
    else if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD')
      answerStatus(response, 405)
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
    } else if (!this.#page.answer(path, request, response)) answerStatus(response, 404)
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
      answerStatus(response, 404)
      return
    }
    // Short, so that clients see a key in the time between its publication and its first use.
    response.setHeader('cache-control', 'public, max-age=60')
    answer(response, 200, 'application/jwk-set+json', JSON.stringify({ keys }))
  }

  /** DNS rebinding: a foreign page could make its own name resolve to this server and read it as its own. */
  #refusedName({ headers: { host } }: IncomingMessage): number | undefined {
    if (host === undefined || this.#loopback === undefined) return undefined
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
