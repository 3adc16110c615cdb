import ipaddr from 'ipaddr.js'

export type Address = ipaddr.IPv4 | ipaddr.IPv6
export type Range = readonly [network: Address, bits: number]

/**
 * Parses every spelling that `ipaddr.isValid` accepts. A mapped address becomes IPv4. By itself ipaddr.js takes `::10.0.0.1`,
 * the system's notation for an address of `::/96`, for a mapped one.
 */
export function processAddress(text: string): Address {
  const address = parseAddress(text)
  const isMapped = address.kind() === 'ipv6' && (address as ipaddr.IPv6).isIPv4MappedAddress()
  return isMapped ? (address as ipaddr.IPv6).toIPv4Address() : address
}

/** As `processAddress`, but keeps mapped addresses. */
export function parseAddress(text: string): Address {
  const [, four] = /^::(\d+\.\d+\.\d+\.\d+)$/.exec(text) ?? []
  if (four === undefined) return ipaddr.parse(text)
  return new ipaddr.IPv6([...new Array(12).fill(0), ...ipaddr.IPv4.parse(four).toByteArray()])
}

/**
 * Addresses where clouds hand out credentials: AWS (including containers and pods), Google, Azure and most others; Azure's
 * host agent; Alibaba; Oracle; Scaleway; Tencent; Linode; OpenStack.
 */
const METADATA: ReadonlySet<string> = new Set(
  [
    ...['169.254.169.254', '169.254.170.2', '169.254.170.23', '169.254.42.42', '169.254.0.23'],
    ...['168.63.129.16', '100.100.100.200', '192.0.0.192'],
    ...[
      'fd00:ec2::254',
      'fd00:ec2::23',
      'fd20:ce::254',
      'fd00:42::42',
      'fd00:a9fe:a9fe::1',
      'fe80::a9fe:a9fe',
    ],
  ].map((text) => ipaddr.parse(text).toString()),
)

export function isMetadata(address: Address): boolean {
  return METADATA.has(address.toString())
}

export function isInRange(address: Address, [network, bits]: Range): boolean {
  return network.kind() === address.kind() && (address as ipaddr.IPv6).match(network as ipaddr.IPv6, bits)
}

/** Why an address is not public, or `undefined`. `wasIPv6`: an IPv4 address that came in IPv6 form. */
export function notPublic(address: Address, wasIPv6: boolean): string | undefined {
  if (wasIPv6) return IPV4_IN_IPV6
  const range = address.range()
  if (range !== 'unicast') return rangeNames[range] ?? range
  if (address.kind() === 'ipv4') return undefined
  if (isIsatap(address as ipaddr.IPv6)) return IPV4_IN_IPV6
  return isInRange(address, GLOBAL) && !isInRange(address, IETF) ? undefined : 'not a public address'
}

/** The IPv4 address that a NAT64 gateway translates to (RFC 6052 §2.1), or `undefined`. */
export function behindNat64(address: Address): ipaddr.IPv4 | undefined {
  return isInRange(address, NAT64) ? v4At(address as ipaddr.IPv6, 12) : undefined
}

/** Every IPv4 address that a gateway or host may derive from an IPv6 address. */
export function embedded(address: Address): ipaddr.IPv4[] {
  if (address.kind() === 'ipv4') return []
  const six = address as ipaddr.IPv6
  if (isInRange(six, SIX_TO_FOUR)) return [v4At(six, 2)]
  if (isInRange(six, TEREDO)) {
    return [v4At(six, 4), new ipaddr.IPv4(bytesOf(six, 12).map((byte) => byte ^ 255))]
  }
  // With a local NAT64 prefix of 48, 56 or 64 bits the IPv4 address surrounds the ninth byte (RFC 6052 §2.2).
  if (isInRange(six, LOCAL_NAT64)) {
    const bytes = six.toByteArray().toSpliced(8, 1)
    return [v4At(six, 12), ...[6, 7, 8].map((first) => new ipaddr.IPv4(bytes.slice(first, first + 4)))]
  }
  return isInRange(six, V4_COMPATIBLE) || isIsatap(six) || LAST_BYTES.some((range) => isInRange(six, range))
    ? [v4At(six, 12)]
    : []
}

/** Whether an address has the deprecated form `::a.b.c.d`, other than `::` and `::1`. */
export function isV4Compatible(address: Address): boolean {
  return isInRange(address, V4_COMPATIBLE) && (address as ipaddr.IPv6).parts[6] !== 0
}

/** RFC 5214 §6.1: an interface identifier that ends in an IPv4 address. */
function isIsatap(address: ipaddr.IPv6): boolean {
  const [a, b, c, d] = bytesOf(address, 8)
  return ((a as number) & 0xfd) === 0 && b === 0 && c === 0x5e && d === 0xfe
}

function v4At(address: ipaddr.IPv6, byte: number): ipaddr.IPv4 {
  return new ipaddr.IPv4(bytesOf(address, byte))
}

function bytesOf(address: ipaddr.IPv6, first: number): number[] {
  return address.toByteArray().slice(first, first + 4)
}

/** All global unicast addresses, including ranges reserved for protocols. */
const GLOBAL = ipaddr.parseCIDR('2000::/3')
const IETF = ipaddr.parseCIDR('2001::/23')
/** `::a.b.c.d`, deprecated by RFC 4291 §2.5.5.1. `::` and `::1` have their own ranges. */
const V4_COMPATIBLE = ipaddr.parseCIDR('::/96')
const NAT64 = ipaddr.parseCIDR('64:ff9b::/96')
const LOCAL_NAT64 = ipaddr.parseCIDR('64:ff9b:1::/48')
const SIX_TO_FOUR = ipaddr.parseCIDR('2002::/16')
const TEREDO = ipaddr.parseCIDR('2001::/32')
const LAST_BYTES = [NAT64, ipaddr.parseCIDR('::ffff:0:0:0/96')]

const IPV4_IN_IPV6 = 'an IPv4 address in IPv6 form'
const rangeNames: Readonly<Record<string, string>> = {
  linkLocal: 'link-local',
  carrierGradeNat: 'a carrier-grade NAT address',
  uniqueLocal: 'private (unique local)',
  ipv4Mapped: IPV4_IN_IPV6,
  rfc6145: IPV4_IN_IPV6,
  rfc6052: 'a local NAT64 address',
  '6to4': 'a 6to4 address',
}
