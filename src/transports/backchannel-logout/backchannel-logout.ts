import { randomUUID } from 'node:crypto'
import { type AttemptResult, headersFor } from '../../egress/sender.ts'
import { outcomeTypes } from '../../events/outcome.ts'
import type { TokenType } from '../../events/registration.ts'
import type { Signer } from '../../issuers/signing/signer.ts'
import { messageOf } from '../../lib/errors.ts'
import type { DeliveryContent, Prepared, Transport, Verdict } from '../transport.ts'
import { logoutTokenPayload } from './claims.ts'
import { classify } from './classify.ts'

export interface BackchannelLogoutOptions {
  readonly clients: { tokenType(delivery: DeliveryContent): TokenType }
  /** For an older trigger `sub` is not sent alone any more. Milliseconds. */
  readonly lateAfterMs: number
  readonly issuers: {
    /** `undefined` for an issuer that this relay does not serve. */
    signer(issuer: string): Pick<Signer, 'sign'> | undefined
  }
}

const HEADERS = headersFor('application/x-www-form-urlencoded')
const PARAMETER = Buffer.from('logout_token=')

/** OpenID Connect Back-Channel Logout 1.0: a form with a logout token, signed anew for every attempt. */
export class BackchannelLogout implements Transport {
  readonly kind = 'backchannel-logout'
  readonly outcomeTypes = outcomeTypes
  readonly #options: BackchannelLogoutOptions

  constructor(options: BackchannelLogoutOptions) {
    this.#options = options
  }

  prepare(delivery: DeliveryContent, nowMs: number): Prepared {
    const { registration, rp, cause, coalesced } = delivery
    const { clients, issuers, lateAfterMs } = this.#options
    try {
      const signer = issuers.signer(registration.issuer)
      if (signer === undefined) throw new Error(`issuer ${registration.issuer} is not configured here`)
      const request = {
        registration,
        claims: rp.settings.claims ?? registration.claims ?? 'both',
        late: coalesced.length === 0 && nowMs - cause.occurredAtMs > lateAfterMs,
      }
      // Unique per attempt, so that an RP that stores them does not take a retry for a replay.
      const jti = randomUUID()
      const token = signer.sign(
        rp.settings.alg ?? registration.alg ?? 'RS256',
        clients.tokenType(delivery),
        logoutTokenPayload(request, jti, nowMs),
      )
      return { kind: 'request', jti, headers: HEADERS, body: formOf(token) }
    } catch (error) {
      return { kind: 'invalid', message: messageOf(error) }
    }
  }

  judge(result: AttemptResult): Verdict {
    return classify(result)
  }
}

/** A logout that ends no session. It tests how an RP answers. */
export const emptyLogout = { headers: HEADERS, body: PARAMETER }

/** Form encoding leaves the characters of a compact JWS unchanged. */
function formOf(token: Buffer): Buffer {
  const form = Buffer.allocUnsafe(PARAMETER.length + token.length)
  PARAMETER.copy(form)
  token.copy(form, PARAMETER.length)
  return form
}
