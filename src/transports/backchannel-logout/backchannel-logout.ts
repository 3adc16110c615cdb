import { randomUUID } from 'node:crypto'
import { type AttemptResult, headersFor } from '../../egress/sender.ts'
import { outcomeTypes } from '../../events/outcome.ts'
import type { TokenAlgorithm, TokenType } from '../../events/registration.ts'
import type { TokenSigner } from '../../issuers/signing/token-signer.ts'
import { codeOf, messageOf } from '../../lib/errors.ts'
import type { DeliveryContent, Prepared, Transport, Verdict } from '../transport.ts'
import { logoutTokenPayload } from './claims.ts'
import { classify } from './classify.ts'

export interface BackchannelLogoutOptions {
  readonly clients: { tokenType(delivery: DeliveryContent): TokenType }
  /** For an older trigger `sub` is not sent alone any more. Milliseconds. */
  readonly lateAfterMs: number
  readonly issuers: {
    /** `undefined` for an issuer that this relay does not serve. */
    get(issuer: string):
      | {
          readonly signer: TokenSigner
          /** Of clients and registrations that name none. */
          readonly alg: TokenAlgorithm
          /** The one that its configuration says its keys sign. */
          readonly expectedAlg?: TokenAlgorithm | undefined
          readonly tokenLifetimeMs: number
        }
      | undefined
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

  prepare(delivery: DeliveryContent, nowMs: number, done: (prepared: Prepared) => void): void {
    const { registration, rp, cause, coalesced } = delivery
    const { clients, issuers, lateAfterMs } = this.#options
    const issuer = issuers.get(registration.issuer)
    if (issuer === undefined) {
      done({ kind: 'invalid', message: `issuer ${registration.issuer} is not configured here` })
      return
    }
    const request = {
      registration,
      sessionRequired: rp.settings.sessionRequired ?? registration.sessionRequired,
      lifetimeMs: issuer.tokenLifetimeMs,
      claims: rp.settings.claims ?? registration.claims ?? rp.defaultClaims ?? 'both',
      late: coalesced.length === 0 && nowMs - cause.occurredAtMs > lateAfterMs,
    }
    // Unique per attempt, so that an RP that stores them does not take a retry for a replay.
    const jti = randomUUID()
    const header = {
      alg: rp.settings.alg ?? registration.alg ?? issuer.alg,
      typ: clients.tokenType(delivery),
    }
    let payload: string
    try {
      payload = logoutTokenPayload(request, jti, nowMs)
    } catch (error) {
      done({ kind: 'invalid', message: messageOf(error) })
      return
    }
    issuer.signer.sign(header, payload, (signed) => {
      if (signed instanceof Error) {
        // What the operator wants to be signed will be; what a record wants may never.
        const isMeant = issuer.expectedAlg === header.alg
        const kind = codeOf(signed) === 'LR_KEY_MISSING' && !isMeant ? 'invalid' : 'unready'
        done({ kind, message: messageOf(signed) })
      } else done({ kind: 'request', jti, headers: HEADERS, body: formOf(signed) })
    })
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
