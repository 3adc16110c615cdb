import ipaddr from 'ipaddr.js'
import type { Range } from './address-kinds.ts'

/** What an entry of `EGRESS_ALLOW` means. */
export type AllowEntry =
  | { readonly kind: 'host'; readonly host: string }
  | { readonly kind: 'range'; readonly range: Range }
  /** It could match nothing, or be read in two ways. `problem` says what is wrong, and what to write instead. */
  | { readonly kind: 'invalid'; readonly problem: string }

export function parseAllowEntry(entry: string): AllowEntry {
  if (entry.includes('/') && !entry.includes('//')) return parseCidr(entry)
  if (ipaddr.IPv4.isValidFourPartDecimal(entry)) return single(ipaddr.process(entry))
  if (ipaddr.IPv6.isValid(entry)) {
    if (entry.includes('%')) return invalid('leave out the zone: it is part of no URI')
    return single(ipaddr.process(entry))
  }
  return parseHost(entry)
}

/**
 * What is wrong with an entry of `EGRESS_ALLOW`, or `undefined`. It is quoted where it looks like what belongs there, and
 * not like a password in the wrong place.
 */
export function allowEntryProblem(entry: string, position: number): string | undefined {
  const parsed = parseAllowEntry(entry)
  if (parsed.kind !== 'invalid') return undefined
  const shown = /^[\w.:/%*[\]-]{1,80}$/.test(entry) ? ` (${entry})` : ''
  return `entry ${position}${shown} ${parsed.problem}`
}

/** As a URI shows it, and without the final dot, which says only where a name ends. */
export function canonicalHost(host: string): string {
  return host.toLowerCase().replace(/\.$/, '')
}

function parseCidr(entry: string): AllowEntry {
  // Four-part form only: `10/8` would open 0.0.0.0/8.
  const isCidr = entry.includes(':')
    ? ipaddr.IPv6.isValidCIDR(entry) && !entry.includes('%')
    : ipaddr.IPv4.isValidCIDRFourPartDecimal(entry)
  if (!isCidr) return invalid('is not a CIDR range; write it as 10.0.0.0/8 or fd00::/8')
  const [address, bits] = ipaddr.parseCIDR(entry)
  if (address.kind() === 'ipv6' && (address as ipaddr.IPv6).isIPv4MappedAddress() && bits >= 96) {
    const four = (address as ipaddr.IPv6).toIPv4Address()
    return invalid(
      `matches nothing, as IPv4 addresses are compared in their own form; ${written(four, bits - 96)}`,
    )
  }
  const network = networkOf(address, bits)
  if (network.toString() !== address.toString()) {
    return invalid(
      `is an address and a range; write ${network}/${bits}, or ${address} if it is the one address`,
    )
  }
  return { kind: 'range', range: [address, bits] }
}

function parseHost(entry: string): AllowEntry {
  const host = canonicalHost(entry)
  const canonical = hostnameOf(host)
  // As in a URI: what ends in a number is an IPv4 address in one spelling or another, and never a name.
  if (canonical !== undefined && ipaddr.IPv4.isValidFourPartDecimal(canonical)) {
    return invalid(`is another spelling of ${canonical}; write that if it is meant`)
  }
  if (host.includes('*') || host.startsWith('.')) {
    return invalid(
      'stands for many names, which is not possible; write each of them, or the range of their addresses',
    )
  }
  if (isName(host) && canonical === host) return { kind: 'host', host }
  if (canonical !== undefined && isName(canonical) && !/[\s/:@?#%\\]/.test(host)) {
    return invalid(`matches nothing, as URIs have it as ${canonical}; write that`)
  }
  return invalid(
    'is not a host, address or CIDR range; write a name or an address alone, without scheme, brackets or port',
  )
}

/** RFC 1123 §2.1, and underscores, which container networks use. */
function isName(host: string): boolean {
  return (
    host.length <= 253 &&
    host.split('.').every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label))
  )
}

function hostnameOf(host: string): string | undefined {
  return URL.canParse(`http://${host}/`) ? new URL(`http://${host}/`).hostname : undefined
}

function networkOf(address: ipaddr.IPv4 | ipaddr.IPv6, bits: number): ipaddr.IPv4 | ipaddr.IPv6 {
  const bytes = address
    .toByteArray()
    .map((byte, i) => byte & (0xff00 >> Math.min(Math.max(bits - 8 * i, 0), 8)))
  return ipaddr.fromByteArray(bytes)
}

function written(address: ipaddr.IPv4, bits: number): string {
  return `write ${networkOf(address, bits)}/${bits}`
}

function single(address: ipaddr.IPv4 | ipaddr.IPv6): AllowEntry {
  return { kind: 'range', range: [address, address.kind() === 'ipv4' ? 32 : 128] }
}

function invalid(problem: string): AllowEntry {
  return { kind: 'invalid', problem }
}
