import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import { DeadlineQueue } from '../lib/deadline-queue.ts'
import { codeOf, messageOf, RelayFault } from '../lib/errors.ts'
import type { EgressGuard } from './egress-guard.ts'
import { guardedConnector } from './guarded-connector.ts'
import { NameResolver } from './name-resolver.ts'
import { OriginPools } from './origin-pools.ts'
import type { AttemptRequest, AttemptResult, Sender } from './sender.ts'
import { Pool } from './undici.ts'

export interface UndiciSenderOptions {
  /** From the start of an attempt to the end of its answer, including the connect. Milliseconds. */
  readonly attemptTimeoutMs: number
  readonly connectionsPerOriginMax: number
  readonly names?: NameResolver
  /** The maximum age of reused connections; has a default. */
  readonly connectionAgeMsMax?: number
}

/**
 * Answer bodies are for debugging only (OIDC BCL 1.0 §2.8). They are read up to this limit to keep the connection, then
 * dropped.
 */
const BODY_BYTES_MAX = 64 * 1_024
const DETAIL_BYTES_MAX = 512
const HEADER_BYTES_MAX = 16 * 1_024
/** The limit for a whole answer on the line: headers, body and interim answers. */
const ANSWER_BYTES_MAX = 96 * 1_024
const TIMEOUT_CHECK_MS = 50
/** A timer that is later than this was delayed by a suspended process or machine, not by work. */
const STANDSTILL_MS_MIN = 250

/**
 * Sends attempts over keep-alive HTTP/1.1 connections, one pool per origin. Follows no redirects: undici's `dispatch` never
 * does.
 *
 * One timer serves all attempts. Time in which this process was suspended does not count against RPs: an answer may have
 * arrived meanwhile, and they may have been suspended too.
 */
export class UndiciSender implements Sender {
  readonly #attempts = new DeadlineQueue<Attempt>()
  readonly #names: NameResolver
  readonly #pools: OriginPools
  readonly #timeoutMs: number
  #timer: NodeJS.Timeout | undefined
  /** When the timer fires. On the monotonic clock, as the next. */
  #lookAtMs = 0
  /** No attempt times out before. */
  #spareUntilMs = Number.NEGATIVE_INFINITY

  constructor(options: UndiciSenderOptions) {
    const { attemptTimeoutMs, connectionsPerOriginMax, names = new NameResolver() } = options
    this.#names = names
    const connect = guardedConnector({
      names,
      timeoutMs: attemptTimeoutMs,
      answerBytesMax: ANSWER_BYTES_MAX,
    })
    this.#timeoutMs = attemptTimeoutMs
    const createPool = (origin: string, guard: EgressGuard, timeoutMs = attemptTimeoutMs) =>
      new Pool(origin, {
        connect: (options, callback) => connect({ ...options, guard, timeoutMs }, callback),
        connections: connectionsPerOriginMax,
        pipelining: 1,
        allowH2: false,
        maxHeaderSize: HEADER_BYTES_MAX,
        // The attempt's own time-out covers both. undici's would cost two more timers per request.
        headersTimeout: 0,
        bodyTimeout: 0,
      })
    this.#pools = new OriginPools(createPool, options.connectionAgeMsMax)
  }

  send(request: AttemptRequest, done: (result: AttemptResult) => void): void {
    const { endpoint, egress, body, probeTimeoutMs } = request
    const timeoutMs = probeTimeoutMs ?? this.#timeoutMs
    const now = performance.now()
    const attempt = new Attempt(now + timeoutMs, requestBytesMax(request), (result) => {
      this.#attempts.ended()
      done(result)
    })
    this.#attempts.push(attempt)
    if (this.#timer === undefined || attempt.endsAtMs < this.#lookAtMs) this.#lookAfter(timeoutMs, now)
    const post = {
      method: 'POST',
      path: endpoint.path,
      headers: headersOf(request),
      body,
    } as const
    if (probeTimeoutMs === undefined) this.#pools.dispatch(endpoint.origin, egress, post, attempt)
    else this.#pools.dispatchAlone(endpoint.origin, egress, post, attempt, probeTimeoutMs)
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer)
    this.#names.close()
    await this.#pools.close()
  }

  readonly #checkTimeouts = (): void => {
    const now = performance.now()
    const lateMs = now - this.#lookAtMs
    // Not twice in a row: where timers are always late attempts must still time out.
    if (lateMs > STANDSTILL_MS_MIN && now > this.#spareUntilMs + this.#timeoutMs) {
      this.#spareUntilMs = now + Math.min(lateMs, this.#timeoutMs)
    }
    if (now >= this.#spareUntilMs) for (const attempt of this.#attempts.takeUntil(now)) attempt.timeOut()
    const nextEndsAtMs = this.#attempts.nextEndsAtMs
    if (nextEndsAtMs === undefined) this.#timer = undefined
    else this.#lookAfter(Math.max(nextEndsAtMs - now, TIMEOUT_CHECK_MS), now)
  }

  #lookAfter(ms: number, now: number): void {
    clearTimeout(this.#timer)
    this.#lookAtMs = now + ms
    this.#timer = setTimeout(this.#checkTimeouts, ms)
  }
}

/** The state of one POST: waiting → answer begun → answered (status known, body running) → over. Reports once, when over. */
class Attempt implements Dispatcher.DispatchHandler {
  /** On the monotonic clock. */
  readonly endsAtMs: number
  readonly #requestBytesMax: number
  #report: ((result: AttemptResult) => void) | undefined
  #controller: Dispatcher.DispatchController | undefined
  #over = false
  #answerBegan = false
  #status = 0
  #retryAfter: string | undefined
  #bodyBytes = 0
  #detail: Buffer[] | undefined

  constructor(endsAtMs: number, requestBytesMax: number, report: (result: AttemptResult) => void) {
    this.endsAtMs = endsAtMs
    this.#requestBytesMax = requestBytesMax
    this.#report = report
  }

  get isOver(): boolean {
    return this.#over
  }

  timeOut(): void {
    const fault = new RelayFault('LR_ATTEMPT_TIMEOUT', 'no complete answer within the timeout')
    // Reported here and not by undici: a request that still waits for its connection has no controller.
    const controller = this.#controller
    this.#fail(fault)
    controller?.abort(fault)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#over) controller.abort(new RelayFault('LR_ATTEMPT_TIMEOUT', 'timed out before it was sent'))
  }

  onResponseStarted(): void {
    this.#answerBegan = true
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    if (status < 200) {
      // Interim answers (1xx) do not count, but a change of protocol ends the connection.
      if (status === 101 || status < 100)
        controller.abort(new RelayFault('LR_ANSWER_INVALID', `${status} is not an answer`))
      return
    }
    this.#status = status
    this.#retryAfter = firstOf(headers['retry-after'])
    // The beginning of a compressed body is unreadable.
    if (status >= 300 && headers['content-encoding'] === undefined) this.#detail = []
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#detail !== undefined && this.#bodyBytes < DETAIL_BYTES_MAX) {
      this.#detail.push(chunk.subarray(0, DETAIL_BYTES_MAX - this.#bodyBytes))
    }
    this.#bodyBytes += chunk.length
    if (this.#bodyBytes > BODY_BYTES_MAX) {
      this.#answered()
      controller.abort(new RelayFault('LR_BODY_TOO_LONG', 'the body of the answer is too long'))
    }
  }

  onResponseEnd(): void {
    this.#answered()
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#fail(error)
  }

  /** The status alone counts, so a broken body is no failure. */
  #fail(error: unknown): void {
    if (this.#status !== 0) this.#answered()
    else if (codeOf(error) === 'LR_EGRESS_BLOCKED') this.#end({ kind: 'blocked', message: messageOf(error) })
    else this.#end(unreachable(error, this.#answerBegan, this.#requestBytesMax))
  }

  #answered(): void {
    const detail = this.#detail === undefined ? '' : Buffer.concat(this.#detail).toString('utf8')
    this.#end({
      kind: 'answered',
      status: this.#status,
      ...(this.#retryAfter !== undefined && { retryAfter: this.#retryAfter }),
      ...(detail !== '' && { detail }),
    })
  }

  #end(result: AttemptResult): void {
    if (this.#over) return
    this.#over = true
    const report = this.#report
    // An idle connection keeps its last request, and so this attempt, alive. It must not keep the delivery.
    this.#report = undefined
    this.#controller = undefined
    report?.(result)
  }
}

function headersOf({ endpoint, headers: shared, traceparent, tracestate }: AttemptRequest): string[] {
  const own = endpoint.host === undefined ? shared : [...shared, 'host', endpoint.host]
  if (traceparent === undefined) return own
  const headers = [...own, 'traceparent', traceparent]
  return tracestate === undefined ? headers : [...headers, 'tracestate', tracestate]
}

/** A repeated header is a list, whatever its type says. */
function firstOf(header: string | readonly string[] | undefined): string | undefined {
  return typeof header === 'object' ? header[0] : header
}

const RESET_CODES = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'])

/** An estimate above the size of this request, but below this and another one together. */
function requestBytesMax({ endpoint, body, tracestate = '' }: AttemptRequest): number {
  return body.length + endpoint.path.length + endpoint.origin.length + tracestate.length + 400
}

function unreachable(error: unknown, answerBegan: boolean, requestBytesMax: number): AttemptResult {
  const cause = error instanceof AggregateError ? error.errors[0] : error
  // undici's parser errors only have a name.
  const code = codeOf(error) ?? codeOf(cause) ?? (cause instanceof Error ? cause.name : 'UNKNOWN')
  // Bytes that were read before the answer began belong to earlier answers.
  const { bytesRead = 0, bytesWritten = 0 } =
    (error as { socket?: { bytesRead?: number; bytesWritten?: number } }).socket ?? {}
  return {
    kind: 'unreachable',
    code,
    message: messageOf(cause),
    staleConnection: RESET_CODES.has(code) && !answerBegan && bytesRead > 0 && bytesWritten > requestBytesMax,
  }
}
