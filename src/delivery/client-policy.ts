import { type ClientHost, isHost } from '../egress/client-host.ts'
import { type LogoutEndpoint, logoutEndpoint } from '../events/logout-endpoint.ts'
import type { TokenType } from '../events/registration.ts'
import type { RpName } from '../registry/rp-settings.ts'
import type { DeliveryContent } from '../transports/transport.ts'
import type { Delivery } from './delivery.ts'
import type { ConfiguredClient, DeliveryIssuers } from './delivery-issuers.ts'
import { endpointOf } from './relying-party.ts'

export interface ClientPolicyOptions {
  /** Client ids whose tokens have the header type `JWT`. */
  readonly jwtTyped: readonly string[]
  /** Where the tokens of a client may go; of one that is not among them, anywhere. */
  readonly hosts: readonly ClientHost[]
}

type OnNote = (rp: RpName, note: ClientNote) => void

const NONE = [] as const

/**
 * What the operator has laid down for single clients. Records and `lr:client` are written by others, so neither can change
 * it; what they ask for beyond it is noted.
 */
export class ClientPolicy {
  readonly #jwtClients: ReadonlySet<string>
  readonly #hosts: ReadonlyMap<string, readonly ClientHost[]>
  readonly #issuers: DeliveryIssuers
  readonly #onNote: OnNote

  constructor(options: ClientPolicyOptions, issuers: DeliveryIssuers, onNote: OnNote) {
    this.#issuers = issuers
    this.#jwtClients = new Set(options.jwtTyped)
    this.#hosts = Map.groupBy(options.hosts, ({ clientId }) => clientId)
    this.#onNote = onNote
  }

  /** With a `typ` of somebody else's choosing the relay would sign what a resource server takes for an access token. */
  tokenType({ rp, registration }: DeliveryContent): TokenType {
    return this.tokenTypeFor(rp, rp.settings.typ ?? registration.typ)
  }

  /** `asked`: what a record or `lr:client` wants. */
  tokenTypeFor(rp: RpName, asked: string | undefined): TokenType {
    const isJwtTyped = this.#jwtClients.has(rp.clientId) || this.#configured(rp)?.isJwtTyped === true
    const type = isJwtTyped ? 'JWT' : 'logout+jwt'
    if (asked !== undefined && asked !== type && asked !== 'logout+jwt') {
      this.#onNote(rp, { kind: 'type-ignored', asked })
    }
    return type
  }

  /** Where the attempt goes: settings of the RP win over its registration. `undefined` if neither has an address. */
  endpoint({ rp, registration }: Delivery): LogoutEndpoint | undefined {
    const endpoint = endpointOf({ rp, registration })
    if (endpoint === undefined) return undefined
    const { backchannelLogoutUri: uri } = rp.settings
    const { origin: to } = endpoint
    const before = rp.calledOrigin
    rp.calledOrigin = to
    if ((uri === undefined && before === to) || this.#hostsOf(rp).length > 0) return endpoint
    const { backchannelLogoutUri: own } = registration
    const registered = own === undefined ? to : logoutEndpoint(own).origin
    if (registered !== to) this.#onNote(rp, { kind: 'origin-overridden', from: registered, to })
    else if (before !== undefined && before !== to) {
      this.#onNote(rp, { kind: 'origin-changed', from: before, to })
    }
    return endpoint
  }

  /** What the operator has against sending that client's tokens there, or `undefined`. */
  refusal(rp: RpName, { origin }: LogoutEndpoint): string | undefined {
    const lists = this.#hostsOf(rp)
    if (lists.length === 0) return undefined
    const { hostname } = new URL(origin)
    if (lists.every((hosts) => hosts.some((host) => isHost(host, hostname)))) return undefined
    this.#onNote(rp, { kind: 'host-refused', to: origin })
    return `CLIENT_HOSTS, or hosts in ISSUERS_FILE, do not allow ${origin} for this client`
  }

  /** The egress guard refused the address. Its delivery may wait for long, so that is not left to its outcome to tell. */
  blocked({ rp }: Delivery, { origin }: LogoutEndpoint, why: string): void {
    this.#onNote(rp, { kind: 'egress-refused', to: origin, why })
  }

  /** The lists that bind the client: each must allow a host. */
  #hostsOf(rp: RpName): readonly (readonly ClientHost[])[] {
    const [ofOptions, ofFile] = [this.#hosts.get(rp.clientId), this.#configured(rp)?.hosts]
    if (ofOptions === undefined && ofFile === undefined) return NONE
    return [ofOptions ?? NONE, ofFile ?? NONE].filter(({ length }) => length > 0)
  }

  #configured({ issuer, clientId }: RpName): ConfiguredClient | undefined {
    return this.#issuers.get(issuer)?.client(clientId)
  }
}

/** What somebody else wants for a client, in a record or in `lr:client`. Origins are without path and query. */
export type ClientNote =
  /** A header type that the operator has not allowed; `asked` as it was written. */
  | { readonly kind: 'type-ignored'; readonly asked: string }
  /** `lr:client` sends its tokens elsewhere than its registrations say. */
  | { readonly kind: 'origin-overridden'; readonly from: string; readonly to: string }
  /** Its tokens went to another origin before. */
  | { readonly kind: 'origin-changed'; readonly from: string; readonly to: string }
  /** Its tokens were to go to a host that the operator has not allowed. */
  | { readonly kind: 'host-refused'; readonly to: string }
  /** The egress guard would let nothing through to the address with which it is registered or configured. */
  | { readonly kind: 'registered-refused'; readonly to: string; readonly why: string }
  /** The egress guard let nothing through to it; `why` names the address and the remedy. */
  | { readonly kind: 'egress-refused'; readonly to: string; readonly why: string }
