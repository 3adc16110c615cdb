import type { LogoutEndpoint } from '../events/logout-endpoint.ts'
import type { EgressGuard } from './egress-guard.ts'

export interface AttemptMessage {
  /** Begins with those of `headersFor`. Few: with request line and trace they are assumed to stay below 400 bytes. */
  readonly headers: string[]
  readonly body: Buffer
}

export interface AttemptRequest extends AttemptMessage {
  readonly endpoint: LogoutEndpoint
  /** Where its issuer's tokens may go. Connections are shared by those who have the same. */
  readonly egress: EgressGuard
  readonly traceparent?: string | undefined
  readonly tracestate?: string | undefined
  /**
   * Set for a probe: its own time-out in milliseconds. A probe also has its own connection, so that it neither waits behind
   * hanging attempts nor joins a connection that never completes.
   */
  readonly probeTimeoutMs?: number | undefined
}

/** Alternating names and values, as undici takes them. Built once, not per attempt. */
export function headersFor(contentType: string): string[] {
  return ['content-type', contentType, 'user-agent', 'logout-relay']
}

/** The result of an attempt, not judged yet. */
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
      /** `ECONNREFUSED`, `LR_ATTEMPT_TIMEOUT`, …: a code of Node, undici or the relay. */
      readonly code: string
      readonly message: string
      /**
       * A reused connection was closed before the first byte of the answer. The RP closed an idle connection just as the
       * request was sent, which says nothing about its health.
       */
      readonly staleConnection: boolean
    }
  | { readonly kind: 'blocked'; readonly message: string }

export interface Sender {
  /** Makes one attempt. Never throws. Calls `done` exactly once, after this call has returned. */
  send(request: AttemptRequest, done: (result: AttemptResult) => void): void
  /** Closes idle connections and aborts attempts in flight. */
  close(): Promise<void>
}
