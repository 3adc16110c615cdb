import { logoutEndpoint } from '../events/logout-endpoint.ts'
import type { RegistryStep } from '../registry/registry.ts'
import type { RpName } from '../registry/rp-settings.ts'
import type { ClientNote } from './client-policy.ts'
import type { DeliveryIssuers } from './delivery-issuers.ts'

/** Looks a name up; calls back at once when the answer is cached. */
type Resolve = (hostname: string, done: (error: Error | null, addresses: readonly string[]) => void) => void

export interface EndpointChecksOptions {
  readonly issuers: DeliveryIssuers
  /** Whether `CLIENT_HOSTS`, or hosts of the issuers file, forbid it; notes it then. */
  readonly refusal: (
    rp: RpName,
    endpoint: { readonly origin: string; readonly path: string },
  ) => string | undefined
  readonly resolve: Resolve
  readonly onNote: (rp: RpName, note: ClientNote) => void
}

type Issuer = NonNullable<ReturnType<DeliveryIssuers['get']>>

interface Checked {
  readonly issuer: Issuer
  readonly clientId: string
}

const CHECKED_MAX = 10_000
/** Whoever registers names must not have this machine look up nothing else. */
const LOOKUPS_MAX = 16

/**
 * Looks at the addresses that are registered, before a logout goes there: what the egress guard or the operator would refuse is
 * found out while the user is still logged in. Each client and address once; nobody waits for it.
 */
export class EndpointChecks {
  readonly #options: EndpointChecksOptions
  /** By URI: who was looked at with it last. An RP has one URI, and most URIs one RP. */
  readonly #checked = new Map<string, Checked>()
  #lookups = 0

  constructor(options: EndpointChecksOptions) {
    this.#options = options
  }

  /** The address that a record brings, if it brings one. */
  lookAt(step: RegistryStep): void {
    if (step.kind === 'register') this.look(step.registration, step.registration.backchannelLogoutUri)
    else if (step.kind === 'configure-client' && step.change.type === 'client-configured')
      this.look(step.change, step.change.settings.backchannelLogoutUri)
  }

  look(rp: RpName, uri: string | undefined): void {
    if (uri === undefined) return
    const issuer = this.#options.issuers.get(rp.issuer)
    const checked = this.#checked.get(uri)
    // The settings of an issuer change with the object.
    if (issuer === undefined || (checked?.issuer === issuer && checked.clientId === rp.clientId)) return
    if (this.#checked.size >= CHECKED_MAX) this.#checked.clear()
    this.#checked.set(uri, { issuer, clientId: rp.clientId })
    this.#check(rp, uri, issuer)
  }

  #check({ issuer: name, clientId }: RpName, uri: string, { egress }: Issuer): void {
    const { onNote, refusal, resolve } = this.#options
    // The record that it comes from must not be kept.
    const rp = { issuer: name, clientId }
    const endpoint = logoutEndpoint(uri)
    const { origin: to } = endpoint
    if (refusal(rp, endpoint) !== undefined) return
    const why = egress.objection(endpoint)
    if (why !== undefined) onNote(rp, { kind: 'registered-refused', to, why })
    const { hostname } = new URL(to)
    if (why !== undefined || isAddress(hostname) || this.#lookups >= LOOKUPS_MAX) return
    this.#lookups++
    resolve(hostname, (error, addresses) => {
      this.#lookups--
      const found = error === null ? egress.objectionTo(hostname, addresses) : undefined
      if (found !== undefined) onNote(rp, { kind: 'registered-refused', to, why: found })
    })
  }
}

/** As `URL` writes hosts: IPv4 in four numbers, IPv6 in brackets. */
function isAddress(hostname: string): boolean {
  return /^(\d+\.){3}\d+$|^\[/.test(hostname)
}
