import type { LogoutEndpoint } from '../events/logout-endpoint.ts'
import type { EgressGuard } from './egress-guard.ts'

/** What a transport has to say. */
export interface AttemptMessage {
  /** Begin with those of `headersFor`. Few: with the request line and a trace they are taken to stay below 400 bytes. */
  readonly headers: string[]
  readonly body: Buffer
}

/** One HTTP POST. */
export interface AttemptRequest extends AttemptMessage {
  readonly endpoint: LogoutEndpoint
  /** Where its issuer's tokens may go. Connections are shared by those who have the same. */
  readonly egress: EgressGuard
  readonly traceparent?: string | undefined
  readonly tracestate?: string | undefined
  /**
   * Set for a probe: it has a time-out of its own, in milliseconds, and a connection of its own, so that it neither
   * waits behind attempts that hang nor joins a connection that will never be made.
   */
  readonly probeTimeoutMs?: number | undefined
}

/** Names and values in turn, as undici takes them. Made once and not per attempt. */
export function headersFor(contentType: string): string[] {
  return ['content-type', contentType, 'user-agent', 'logout-relay']
}

/** What came of an attempt, before anybody judges it. */
export type AttemptResult =
  | {
      readonly kind: 'answered'
      readonly status: number
      /** The `Retry-After` header, verbatim. */
      readonly retryAfter?: string
      /** The beginning of an error's body, for the operator. */
      readonly detail?: string
    }
  | {
      readonly kind: 'unreachable'
      /** `ECONNREFUSED`, `LR_ATTEMPT_TIMEOUT`, …: Node's, undici's or our own code. */
      readonly code: string
      readonly message: string
      /**
       * A connection that had served an earlier request was closed before a byte of the answer: the RP gave up an
       * idle connection in the moment of sending, which says nothing about its health.
       */
      readonly staleConnection: boolean
    }
  | { readonly kind: 'blocked'; readonly message: string }

export interface Sender {
  /** Makes one attempt, never throws, and calls `done` exactly once, later than this call returns. */
  send(request: AttemptRequest, done: (result: AttemptResult) => void): void
  /** Ends idle connections; attempts in flight are aborted. */
  close(): Promise<void>
}
