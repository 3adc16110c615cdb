import type { EgressGuard } from '../egress/egress-guard.ts'
import type { LookUpResult, ShadowSender } from '../egress/shadow-sender.ts'
import type { Would } from '../events/outcome.ts'
import type { Clock } from '../lib/clock.ts'
import type { Prepared, Transport } from '../transports/transport.ts'
import { NO_BACKLOG } from './backlog.ts'
import type { ClientPolicy } from './client-policy.ts'
import { deadlineOf } from './deadline.ts'
import { NO_URI } from './deliver.ts'
import type { Delivery } from './delivery.ts'
import type { DeliveryEnd } from './delivery-end.ts'
import type { DeliveryIssuers } from './delivery-issuers.ts'
import { errorText } from './error-text.ts'
import { isStopped } from './relying-party.ts'

export interface ShadowDelivererOptions {
  readonly clients: ClientPolicy
  readonly clock: Pick<Clock, 'now'>
  readonly end: DeliveryEnd
  readonly issuers: DeliveryIssuers
  readonly sender: ShadowSender
  readonly transport: Transport
  /** Gives the attempt's place to the next one; `didAnswer` as the real deliverer tells it. */
  readonly release: (delivery: Delivery, didAnswer?: boolean) => void
}

/**
 * Takes the place of the deliverer in shadow mode: everything up to the connection, once. Nothing is tried again, for whatever
 * would be parked is what the operator wants to know.
 */
export class ShadowDeliverer {
  readonly #options: ShadowDelivererOptions

  constructor(options: ShadowDelivererOptions) {
    this.#options = options
  }

  attempt(delivery: Delivery): void {
    const { clock, issuers, release, transport } = this.#options
    const now = clock.now()
    const issuer = issuers.get(delivery.rp.issuer)
    if (delivery.rp.state?.kind === 'retired' && isStopped(delivery)) {
      release(delivery)
      this.retire(delivery)
    } else if (now >= deadlineOf(delivery, issuers)) {
      release(delivery)
      this.expire(delivery)
    } else if (issuer?.isEnabled !== true) {
      release(delivery)
      this.#end(delivery, 'invalid', `issuer ${delivery.rp.issuer} is not configured here`)
    } else transport.prepare(delivery, now, (prepared) => this.#lookUp(delivery, prepared, issuer.egress))
  }

  expire(delivery: Delivery): void {
    this.#end(delivery, 'expired', delivery.lastError)
  }

  /** Its client is retired. */
  retire(delivery: Delivery): void {
    this.#end(delivery, 'retired', 'its client is retired')
  }

  abandon(delivery: Delivery): void {
    this.#end(delivery, 'invalid', NO_BACKLOG)
  }

  /** A relay in live mode has told the RP and could not say so; this one says only what it would do itself. */
  conclude(delivery: Delivery): void {
    this.#end(delivery, 'send')
  }

  #lookUp(delivery: Delivery, prepared: Prepared, egress: EgressGuard): void {
    const { clients, release, sender } = this.#options
    if (prepared.kind !== 'request') {
      release(delivery)
      this.#end(delivery, prepared.kind === 'invalid' ? 'invalid' : 'unsigned', prepared.message)
      return
    }
    const { jti } = prepared
    const endpoint = clients.endpoint(delivery)
    if (endpoint === undefined) {
      release(delivery)
      this.#end(delivery, 'invalid', NO_URI, jti)
      return
    }
    delivery.origin = endpoint.origin
    const refusal = clients.refusal(delivery.rp, endpoint)
    if (refusal !== undefined) {
      release(delivery)
      this.#end(delivery, 'blocked', refusal, jti)
      return
    }
    sender.lookUp(endpoint, egress, (result) => {
      if (result.kind === 'blocked') clients.blocked(delivery, endpoint, result.message)
      // An address that was found counts as an answer: a mass logout must not crawl as it would before an RP has shown itself.
      release(delivery, result.kind === 'permitted')
      this.#judge(delivery, jti, result)
    })
  }

  #judge(delivery: Delivery, jti: string, result: LookUpResult): void {
    switch (result.kind) {
      case 'permitted':
        this.#end(delivery, 'send', undefined, jti)
        return
      case 'blocked':
        this.#end(delivery, 'blocked', result.message, jti)
        return
      case 'unreachable':
        this.#end(delivery, 'unreachable', errorText(result.code, result.message), jti)
        return
      default:
        result satisfies never
    }
  }

  #end(delivery: Delivery, would: Would, error?: string, jti?: string): void {
    const { origin } = delivery
    this.#options.end.settle(delivery, {
      kind: 'shadowed',
      would,
      ...(jti !== undefined && { jti }),
      ...(error !== undefined && { error }),
      ...(origin !== undefined && { origin }),
    })
  }
}
