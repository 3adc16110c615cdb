import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { IntakeSource } from '../config/intake-file.ts'
import type { OutcomeLog, OutgoingRecord } from '../delivery/outcome-log.ts'
import { answerStatus, BoundedListener, hasBody, statusText } from '../http/bounded-listener.ts'
import { discardBody, RequestBodies } from '../http/request-bodies.ts'
import type { Clock } from '../lib/clock.ts'
import { TokenBuckets } from '../lib/token-buckets.ts'
import { answerChallenge } from './challenge.ts'
import { eventsIn } from './events-in-body.ts'
import { type Disbelief, verifyBody, verifyHead } from './verify.ts'
import { WebhookPublisher } from './webhook-publisher.ts'

/** What became of a request. All but `accepted` and `challenged` were refused. */
export type WebhookResult =
  | Disbelief
  | 'accepted'
  | 'challenged'
  /** Kafka did not acknowledge it in time. */
  | 'unpublished'
  | 'not-json'
  | 'too-large'
  /** A compressed body. */
  | 'encoded'
  | 'rate-limited'
  /** Its body took long while others needed the memory. */
  | 'evicted'
  /** The client went away, or took too long. */
  | 'aborted'
  /** Another method, another path, or no source of that name. */
  | 'no-route'
  | 'stopping'

export interface WebhookListenerOptions {
  readonly clock: Clock
  readonly log: OutcomeLog
  readonly sources: () => readonly IntakeSource[]
  /** `source`: undefined where the request names none. `from`: the address that it came from. */
  readonly onAnswered: (source: string | undefined, result: WebhookResult, from: string | undefined) => void
  readonly onFailed: (topic: string, error: unknown) => void
  readonly onPublished: (topic: string) => void
}

const STATUSES: Readonly<Record<WebhookResult, number>> = {
  accepted: 204,
  challenged: 200,
  'no-signature': 401,
  'wrong-signature': 401,
  stale: 401,
  'not-json': 400,
  'too-large': 413,
  encoded: 415,
  'rate-limited': 429,
  unpublished: 503,
  evicted: 503,
  stopping: 503,
  'no-route': 404,
  aborted: 408,
}

const CONNECTIONS_MAX = 256
const REQUEST_MS_MAX = 10_000
const BODY_BYTES_MAX = 1_024 * 1_024
const BODIES_BYTES_MAX = 16 * 1_024 * 1_024
/** What a request costs beside its body, in bytes: two thousand a second exhaust what one address may spend. */
const REQUEST_COST = 4_096
/** Bytes. A source has twice that of an address, so that no single stranger uses it up. */
const ADDRESS_RATE = { perSecond: 8 * 1_024 * 1_024, capacity: 16 * 1_024 * 1_024, namesMax: 10_000 }
const SOURCE_RATE = { perSecond: 16 * 1_024 * 1_024, capacity: 32 * 1_024 * 1_024, namesMax: 1_000 }
const ALWAYS_KEPT = ['traceparent', 'tracestate']
const KEPT_CHARACTERS_MAX = 1_024

/**
 * `POST /intake/{source}`: what a source sends is verified, published as it came, and answered with 204 when every in-sync
 * replica of Kafka has it. From there on it is a record as any other.
 */
export class WebhookListener {
  readonly #options: WebhookListenerOptions
  readonly #listener: BoundedListener
  readonly #bodies = new RequestBodies({ bytesMax: BODY_BYTES_MAX, totalBytesMax: BODIES_BYTES_MAX })
  readonly #publisher: WebhookPublisher
  readonly #addresses: TokenBuckets
  readonly #sourceRates: TokenBuckets

  constructor(options: WebhookListenerOptions) {
    const { clock, log, onFailed, onPublished } = options
    this.#options = options
    this.#publisher = new WebhookPublisher({ log, onFailed, onPublished })
    const now = () => clock.monotonic()
    this.#addresses = new TokenBuckets({ ...ADDRESS_RATE, now })
    this.#sourceRates = new TokenBuckets({ ...SOURCE_RATE, now })
    this.#listener = new BoundedListener({
      portText: (port) => `INTAKE_PORT ${port}`,
      connectionsMax: CONNECTIONS_MAX,
      requestMsMax: REQUEST_MS_MAX,
      answer: (request, response, path, mustRefuse) => {
        // Whatever it is, it concerns this request alone.
        this.#answer(request, response, path, mustRefuse).catch(() => response.destroy())
      },
    })
  }

  listen(port: number, address?: string): Promise<AddressInfo> {
    return this.#listener.listen(port, address)
  }

  /** Takes no webhook any more, and answers those under way. */
  drain(ms: number): Promise<void> {
    return this.#listener.drain(ms)
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    mustRefuse: number | undefined,
  ): Promise<void> {
    const name = /^\/intake\/([a-z0-9-]{1,50})$/.exec(path)?.[1]
    const source = this.#options.sources().find((it) => it.name === name)
    const from = request.socket.remoteAddress
    const done = (result: WebhookResult): void => this.#options.onAnswered(source?.name, result, from)
    if (mustRefuse !== undefined) {
      done(mustRefuse === 503 ? 'stopping' : 'no-route')
      await refuse(request, response, mustRefuse)
      return
    }
    if (request.method === 'GET' && source !== undefined && answerChallenge(source, request, response)) {
      done('challenged')
      return
    }
    if (name !== undefined && request.method !== 'POST') {
      response.setHeader('allow', 'POST')
      done('no-route')
      await refuse(request, response, 405)
      return
    }
    const result = source === undefined ? 'no-route' : await this.#take(source, request, response)
    done(result)
    if (result === 'accepted') response.writeHead(204).end()
    else await refuse(request, response, STATUSES[result])
  }

  /** The cheap refusals first: nothing is read of a body that cannot be taken. */
  async #take(
    source: IntakeSource,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<WebhookResult> {
    const { headers, headersDistinct } = request
    const address = addressGroup(request.socket.remoteAddress)
    const stated = Math.min(Number(headers['content-length'] ?? 0), BODY_BYTES_MAX)
    if (!this.#addresses.take(address, REQUEST_COST + stated)) return 'rate-limited'
    const disbelief = verifyHead(source, headersDistinct)
    if (disbelief !== undefined) return disbelief
    if (!this.#sourceRates.take(source.name, REQUEST_COST + stated)) return 'rate-limited'
    if (isEncoded(request)) return 'encoded'
    const body = await this.#bodies.read(request, response)
    if (body.kind !== 'body') return body.kind
    const unstated = body.bytes.length - stated
    this.#addresses.charge(address, unstated)
    this.#sourceRates.charge(source.name, unstated)
    return this.#publish(source, request, body.bytes)
  }

  async #publish(source: IntakeSource, request: IncomingMessage, body: Buffer): Promise<WebhookResult> {
    const { headersDistinct } = request
    const disbelief = await verifyBody(source, headersDistinct, body, this.#options.clock.now())
    if (disbelief !== undefined) return disbelief
    const found = eventsIn(body)
    if (found.kind !== 'events') return found.kind
    const headers = recordHeaders(source, request)
    const records = found.events.map(
      (value): OutgoingRecord => ({ topic: source.topic, key: null, value, headers }),
    )
    const published = await this.#publisher.publish(source.topic, records)
    return published === 'published' ? 'accepted' : published
  }
}

/** Node.js takes chunks apart, and leaves whatever else was done to a body. */
function isEncoded({ headers }: IncomingMessage): boolean {
  const { 'content-encoding': content = 'identity', 'transfer-encoding': transfer = 'chunked' } = headers
  return content.toLowerCase() !== 'identity' || transfer.toLowerCase() !== 'chunked'
}

/** For the rules of mappings; `webhook-source` tells sources of one topic apart. */
function recordHeaders(source: IntakeSource, { headers }: IncomingMessage): Record<string, string> {
  const kept: Record<string, string> = { 'webhook-source': source.name }
  for (const name of [...ALWAYS_KEPT, ...source.keptHeaders]) {
    const value = headers[name]
    const text = Array.isArray(value) ? value[0] : value
    if (text !== undefined && text !== '') kept[name] = text.slice(0, KEPT_CHARACTERS_MAX)
  }
  return kept
}

/** IPv4 addresses one by one, those of IPv6 by the 64 bits that one host may choose from. */
function addressGroup(address = ''): string {
  if (!address.includes(':') || address.startsWith('::ffff:')) return address
  const [first = ''] = address.split('%', 1)
  const [head = '', tail = ''] = first.split('::')
  const groups = head.split(':')
  const missing = first.includes('::') ? 8 - groups.length - tail.split(':').length : 0
  return [...groups, ...Array.from({ length: Math.max(missing, 0) }, () => '0'), ...tail.split(':')]
    .slice(0, 4)
    .join(':')
}

/** The answer is there at once; the connection is closed when its client has had time to read it. */
async function refuse(request: IncomingMessage, response: ServerResponse, status: number): Promise<void> {
  if (response.destroyed) return
  if (status === 429 || status === 503) response.setHeader('retry-after', status === 429 ? 1 : 2)
  if (request.complete || !hasBody(request)) {
    answerStatus(response, status)
    return
  }
  const body = statusText(status)
  response.shouldKeepAlive = false
  response.writeHead(status, { 'content-type': 'text/plain', 'content-length': Buffer.byteLength(body) })
  response.write(body)
  // Of a body that waits to be asked for nothing comes.
  if (request.headers.expect === undefined) await discardBody(request)
  response.end()
}
