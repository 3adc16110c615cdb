import ipaddr from 'ipaddr.js'
import { messageOf, RelayFault } from '../lib/errors.ts'
import {
  type Address,
  behindNat64,
  embedded,
  isInRange,
  isMetadata,
  notPublic,
  processAddress,
  type Range,
} from './address-kinds.ts'
import { canonicalHost, parseAllowEntry } from './allow-entry.ts'

export interface EgressPolicy {
  /** Plain http is for development, and for confidential clients on a trusted network (OIDC BCL 1.0 §2.2). */
  readonly allowHttp: boolean
  /** Host names, IP addresses and CIDR ranges that may be reached although they are not public. */
  readonly allow: readonly string[]
}

let guards = 0

/**
 * Decides where a logout token may go. Whoever registers an RP chooses its back-channel logout URI, so without a guard the
 * relay would allow POSTs into the operator's own network.
 *
 * Public unicast addresses pass. Loopback, link-local, private, carrier-grade NAT, multicast, metadata and reserved ranges
 * need the operator's permission, and so do IPv6 forms that contain an IPv4 address (mapped, 6to4, Teredo, ISATAP). An
 * address behind NAT64 is judged by its IPv4 address.
 *
 * A permitted name does not open link-local and metadata addresses, because whoever controls the name's DNS would choose
 * them. A permitted range does not open metadata addresses.
 */
export class EgressGuard {
  /** Another one for each guard of the process. */
  readonly id = ++guards
  readonly #allowHttp: boolean
  readonly #hosts = new Set<string>()
  readonly #ranges: Range[] = []
  readonly #addresses = new Set<string>()

  constructor(policy: EgressPolicy) {
    this.#allowHttp = policy.allowHttp
    for (const text of policy.allow) {
      const entry = parseAllowEntry(text)
      if (entry.kind === 'host') this.#hosts.add(entry.host)
      if (entry.kind !== 'range') continue
      const [network, bits] = entry.range
      this.#ranges.push(entry.range)
      if (bits === (network.kind() === 'ipv4' ? 32 : 128)) this.#addresses.add(network.toString())
    }
  }

  /** Throws `LR_EGRESS_BLOCKED` for a scheme that is not allowed. `protocol` as in `URL`: `https:`. */
  checkProtocol(protocol: string): void {
    if (protocol === 'https:' || (protocol === 'http:' && this.#allowHttp)) return
    throw blocked(`${protocol.replace(':', '')} is not allowed; use https, or set EGRESS_ALLOW_HTTP`)
  }

  /**
   * What can be said against a URI without looking up its name: its scheme, or the address that it names. `undefined` for
   * nothing. `origin` as in `URL`.
   */
  objection({ origin }: { readonly origin: string }): string | undefined {
    const { hostname, protocol } = new URL(origin)
    const address = hostname.replace(/^\[(.*)\]$/, '$1')
    try {
      this.checkProtocol(protocol)
      if (ipaddr.isValid(address)) this.checkAddress(address, hostname)
      return undefined
    } catch (error) {
      return messageOf(error)
    }
  }

  /** What can be said against the addresses of a name. `undefined` for nothing. */
  objectionTo(hostname: string, addresses: readonly string[]): string | undefined {
    try {
      this.permitted(hostname, addresses)
      return undefined
    } catch (error) {
      return messageOf(error)
    }
  }

  isHostAllowed(hostname: string): boolean {
    return this.#hosts.has(canonicalHost(hostname))
  }

  /** Whether a permitted host name would open an address. */
  isOpenedByName(address: string): boolean {
    return this.#refusal(address, true) === undefined
  }

  /** Throws `LR_EGRESS_BLOCKED` unless a connection to the address is allowed, for a URI with this host. */
  checkAddress(text: string, hostname = text): void {
    const reason = this.#refusal(text, this.isHostAllowed(hostname))
    if (reason !== undefined) throw blocked(`${text} is ${reason}`)
  }

  /** The allowed addresses of a name. Throws `LR_EGRESS_BLOCKED` when there is none. */
  permitted(hostname: string, addresses: readonly string[]): string[] {
    const isHostAllowed = this.isHostAllowed(hostname)
    const reasons = addresses.map((address) => this.#refusal(address, isHostAllowed))
    const passed = addresses.filter((_, index) => reasons[index] === undefined)
    if (passed.length > 0) return passed
    throw blocked(`${hostname} resolves to an address that is ${reasons[0] ?? `unknown; ${IF_MEANT}`}`)
  }

  /** Why an address is refused, and how to allow it. */
  #refusal(text: string, isHostAllowed: boolean): string | undefined {
    if (!ipaddr.isValid(text)) return 'not an IP address'
    const address = processAddress(text)
    if (this.#addresses.has(address.toString())) return undefined
    const all = [address, ...embedded(address)]
    if (all.some((each) => isMetadata(each) && !this.#addresses.has(each.toString()))) {
      return 'a cloud metadata service; add this exact address to EGRESS_ALLOW if it is right'
    }
    if (this.#isInRange(address)) return undefined
    if (isHostAllowed && !all.some((each) => each.range() === 'linkLocal')) return undefined
    const within = behindNat64(address)
    if (within !== undefined) {
      const reason = this.#refusal(within.toString(), false)
      return reason && `NAT64 for ${within}, which is ${reason}`
    }
    const reason = notPublic(address, address.kind() === 'ipv4' && text.includes(':'))
    return reason && `${reason}; ${IF_MEANT}`
  }

  #isInRange(address: Address): boolean {
    return this.#ranges.some((range) => isInRange(address, range))
  }
}

const IF_MEANT = 'add it to EGRESS_ALLOW if it is right'

function blocked(message: string): RelayFault {
  return new RelayFault('LR_EGRESS_BLOCKED', message)
}
