import type { ClientHost } from '../egress/client-host.ts'
import type { EgressGuard } from '../egress/egress-guard.ts'
import type { SubjectClaims } from '../events/registration.ts'
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
        /** How long its deliveries are tried. Milliseconds. */
        readonly deadlineMs: number
        /** Where its retries differ from those of all. */
        readonly retry?: Partial<RetryDelays> | undefined
        /** Of clients and registrations that name none. */
        readonly claims?: SubjectClaims | undefined
        readonly egress: EgressGuard
        client(clientId: string): ConfiguredClient | undefined
      }
    | undefined
}
