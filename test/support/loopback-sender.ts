import { EgressGuard } from '../../src/egress/egress-guard.ts'
import type { AttemptResult } from '../../src/egress/sender.ts'
import { UndiciSender, type UndiciSenderOptions } from '../../src/egress/undici-sender.ts'
import { logoutEndpoint } from '../../src/events/logout-endpoint.ts'
import { emptyLogout } from '../../src/transports/backchannel-logout/backchannel-logout.ts'

/** As long as one with a logout token is. */
const BODY = Buffer.from(`logout_token=eyJ.${'x'.repeat(700)}.y`)

export interface TimedResult {
  readonly result: AttemptResult
  readonly durationMs: number
}

/** The relay's own sender, alone, allowed to reach this machine. */
export class LoopbackSender {
  readonly #guard: EgressGuard
  readonly #sender: UndiciSender

  constructor(
    attemptTimeoutMs: number,
    { guard, ...options }: Partial<UndiciSenderOptions> & { readonly guard?: EgressGuard } = {},
  ) {
    this.#guard = guard ?? new EgressGuard({ allowHttp: true, allow: ['127.0.0.0/8', '::1'] })
    this.#sender = new UndiciSender({
      attemptTimeoutMs,
      connectionsPerOriginMax: 256,
      ...options,
    })
  }

  async send(uri: string): Promise<AttemptResult> {
    return (await this.timed(uri)).result
  }

  timed(uri: string, probeTimeoutMs?: number): Promise<TimedResult> {
    const startedAtMs = performance.now()
    return new Promise((resolve) =>
      this.#sender.send(
        {
          endpoint: logoutEndpoint(uri),
          egress: this.#guard,
          headers: emptyLogout.headers,
          body: BODY,
          probeTimeoutMs,
        },
        (result) => resolve({ result, durationMs: performance.now() - startedAtMs }),
      ),
    )
  }

  close(): Promise<void> {
    return this.#sender.close()
  }
}
