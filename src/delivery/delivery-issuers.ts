import type { ClientHost } from '../egress/client-host.ts'
import type { EgressGuard } from '../egress/egress-guard.ts'
import type { SubjectClaims, TokenAlgorithm } from '../events/registration.ts'
import type { RpSettings } from '../registry/rp-settings.ts'
import type { RetryDelays } from './retry-policy.ts'

/** What the operator has configured for one client of an issuer. */
export interface ConfiguredClient {
  /** Settings in Redis win over these, and these over its registrations. */
  readonly settings: RpSettings
  /** Its tokens have the header type `JWT`. */
  readonly isJwtTyped: boolean
  /** Where its tokens may go; anywhere when it is missing. */
  readonly hosts: readonly ClientHost[] | undefined
}

/** What differs between the issuers of deliveries; `undefined` for one that this relay does not know. */
export interface DeliveryIssuers {
  get(issuer: string):
    | {
        readonly isEnabled: boolean
        /** Its RPs are known to refuse all its tokens for their `iss`: nothing is sent until they do not. */
        readonly isMisnamed: boolean
        /** How long its deliveries are tried. Milliseconds. */
        readonly deadlineMs: number
        /** Where its retries differ from those of all. */
        readonly retry?: Partial<RetryDelays> | undefined
        /** Of clients and registrations that name none. */
        readonly claims?: SubjectClaims | undefined
        readonly egress: EgressGuard
        client(clientId: string): ConfiguredClient | undefined
        /** RPs are known not to find the key that signs `alg`; without one, what signs for most. */
        isUnverifiable(alg: TokenAlgorithm | undefined): boolean
      }
    | undefined
}
