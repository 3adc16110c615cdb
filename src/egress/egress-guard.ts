import ipaddr from 'ipaddr.js'
import { RelayFault } from '../errors.ts'

export interface EgressPolicy {
  /** Plain http is for development, and for confidential clients on a trusted network (OIDC BCL 1.0 §2.2). */
  readonly allowHttp: boolean
  /** Host names, IP addresses and CIDR ranges that may be reached although they are not public. */
  readonly allow: readonly string[]
}

type Address = ipaddr.IPv4 | ipaddr.IPv6
type Range = [Address, number]

/**
 * Decides where a logout token may go. A back-channel logout URI is chosen by whoever registers an RP, so without
 * a guard the relay would be a way to POST into the operator's own network.
 *
 * Only public unicast addresses pass by themselves. Loopback, link-local, private, carrier-grade NAT, multicast,
 * metadata and reserved ranges are refused, and so are the IPv6 forms that hold an IPv4 address (mapped, NAT64,
 * 6to4, Teredo), each unless the operator allowed it.
 */
export class EgressGuard {
  readonly #allowHttp: boolean
  readonly #hosts = new Set<string>()
  readonly #ranges: Range[] = []

  constructor(policy: EgressPolicy) {
    this.#allowHttp = policy.allowHttp
    for (const entry of policy.allow) {
      const range = parseRange(entry)
      if (range === undefined) this.#hosts.add(canonicalHost(entry))
      else this.#ranges.push(range)
    }
  }

  /** Throws `LR_EGRESS_BLOCKED` for a scheme that is not allowed. `protocol` as in `URL`: `https:`. */
  checkProtocol(protocol: string): void {
    if (protocol === 'https:' || (protocol === 'http:' && this.#allowHttp)) return
    throw blocked(`${protocol.replace(':', '')} is not allowed; use https, or set EGRESS_ALLOW_HTTP`)
  }

  isHostAllowed(hostname: string): boolean {
    return this.#hosts.has(canonicalHost(hostname))
  }

  /** Throws `LR_EGRESS_BLOCKED` unless the address may be connected to. */
  checkAddress(text: string): void {
    const reason = this.#refusal(text)
    if (reason !== undefined) throw blocked(`${text} is ${reason}; add it to EGRESS_ALLOW if it is meant`)
  }

  /** The addresses of a name that may be connected to. Throws `LR_EGRESS_BLOCKED` when none may. */
  permitted<T extends { address: string }>(hostname: string, addresses: readonly T[]): T[] {
    if (this.isHostAllowed(hostname)) return [...addresses]
    const reasons = addresses.map(({ address }) => this.#refusal(address))
    const passed = addresses.filter((_, index) => reasons[index] === undefined)
    if (passed.length > 0) return passed
    throw blocked(
      `${hostname} resolves to an address that is ${reasons[0] ?? 'unknown'}; add it to EGRESS_ALLOW if it is meant`,
    )
  }

  #refusal(text: string): string | undefined {
    if (!ipaddr.isValid(text)) return 'not an IP address'
    const address = ipaddr.process(text)
    if (this.#isAllowed(address)) return undefined
    const embedded = text.includes(':') && address.kind() === 'ipv4'
    const range = isV4Compatible(address) ? 'ipv4Compatible' : address.range()
    if (range === 'unicast' && !embedded) return undefined
    return embedded ? 'an IPv4 address in IPv6 form' : (rangeNames[range] ?? range)
  }

  #isAllowed(address: Address): boolean {
    return this.#ranges.some(
      ([network, bits]) =>
        network.kind() === address.kind() && (address as ipaddr.IPv6).match(network as ipaddr.IPv6, bits),
    )
  }
}

const rangeNames: Readonly<Record<string, string>> = {
  linkLocal: 'link-local',
  carrierGradeNat: 'a carrier-grade NAT address',
  uniqueLocal: 'private (unique local)',
  ipv4Compatible: 'an IPv4 address in IPv6 form',
  ipv4Mapped: 'an IPv4 address in IPv6 form',
  rfc6145: 'an IPv4 address in IPv6 form',
  rfc6052: 'a NAT64 address',
  '6to4': 'a 6to4 address',
}

/** What is wrong with an entry of `EGRESS_ALLOW`, or `undefined`. */
export function allowEntryProblem(entry: string): string | undefined {
  if (parseRange(entry) !== undefined) return undefined
  if (entry.includes('/')) return 'holds something that is not a CIDR range'
  return /^[a-z0-9]([a-z0-9._-]*[a-z0-9])?\.?$/i.test(entry)
    ? undefined
    : 'holds something that is not a host, address or CIDR range'
}

function parseRange(entry: string): Range | undefined {
  // Four-part form only: `10/8` would open 0.0.0.0/8, and `10` or `0x7f` as a host name is no address.
  if (entry.includes('/')) {
    const isCidr = entry.includes(':')
      ? ipaddr.IPv6.isValidCIDR(entry)
      : ipaddr.IPv4.isValidCIDRFourPartDecimal(entry)
    return isCidr ? ipaddr.parseCIDR(entry) : undefined
  }
  if (ipaddr.IPv4.isValidFourPartDecimal(entry) || (entry.includes(':') && ipaddr.isValid(entry))) {
    const address = ipaddr.process(entry)
    return [address, address.kind() === 'ipv4' ? 32 : 128]
  }
  return undefined
}

/** `::a.b.c.d`, deprecated by RFC 4291 §2.5.5.1; `::` and `::1` have ranges of their own. */
function isV4Compatible(address: Address): boolean {
  return (
    address.kind() === 'ipv6' &&
    address.range() === 'unicast' &&
    (address as ipaddr.IPv6).match(V4_COMPATIBLE, 96)
  )
}

const V4_COMPATIBLE = ipaddr.IPv6.parse('::')

function canonicalHost(host: string): string {
  return host.toLowerCase().replace(/\.$/, '')
}

function blocked(message: string): RelayFault {
  return new RelayFault('LR_EGRESS_BLOCKED', message)
}
