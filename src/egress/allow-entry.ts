import { isIP, isIPv4 } from 'node:net'
import ipaddr from 'ipaddr.js'
import { type Address, embedded, isV4Compatible, parseAddress, type Range } from './address-kinds.ts'

/** The meaning of an entry of `EGRESS_ALLOW`. */
export type AllowEntry =
  | { readonly kind: 'host'; readonly host: string }
  | { readonly kind: 'range'; readonly range: Range }
  /** It could match nothing, or is ambiguous. `problem` says what is wrong and what to write instead. */
  | { readonly kind: 'invalid'; readonly problem: string }

export function parseAllowEntry(entry: string): AllowEntry {
  if (/\s/.test(entry)) return invalid('contains a space; separate entries by commas')
  if (entry.includes('%') && entry.includes(':')) {
    return invalid('has a zone, but no URI has one; remove the % and the rest')
  }
  if (entry.includes('/') && !entry.includes('://')) return parseCidr(entry)
  const address = addressOf(entry)
  return address === undefined ? parseHost(entry) : single(address)
}

/**
 * What is wrong with an entry of `EGRESS_ALLOW`, or `undefined`. Quotes the entry only if it looks like a host or address,
 * since it could be a misplaced password.
 */
export function allowEntryProblem(entry: string, position: number): string | undefined {
  const parsed = parseAllowEntry(entry)
  if (parsed.kind !== 'invalid') return undefined
  const shown = /^[\p{L}\p{N}_.:/%*[\] -]{1,80}$/u.test(entry) ? ` (${entry})` : ''
  return `entry ${position}${shown} ${parsed.problem}`
}

/** A host as in a URI, without the final dot. */
export function canonicalHost(host: string): string {
  return host.toLowerCase().replace(/\.$/, '')
}

function parseCidr(entry: string): AllowEntry {
  const [text = '', prefix = '', ...more] = entry.split('/')
  const address = addressOf(text)
  const bare = addressOf(withoutBrackets(text))
  if (address === undefined && bare !== undefined) return invalid(`has brackets; write ${bare}/${prefix}`)
  // Four-part form only: `10/8` would open 0.0.0.0/8.
  if (address === undefined || more.length > 0 || !/^\d+$/.test(prefix)) {
    return invalid(
      'is not a CIDR range; write it as 10.0.0.0/8 or fd00::/8, without leading zeros in the numbers',
    )
  }
  const bits = Number(prefix)
  const bitsMax = bitsOf(address)
  if (bits > bitsMax)
    return invalid(`has a prefix of more than ${bitsMax} bits; write ${text}/${bitsMax} at most`)
  // Other software reads a leading zero as octal.
  if (String(bits) !== prefix) {
    return invalid(`has a prefix with a leading zero; write ${text}/${bits} if you mean that`)
  }
  if (isMapped(address) && bits >= 96) {
    const four = (address as ipaddr.IPv6).toIPv4Address()
    return invalid(
      `matches nothing, because IPv4 addresses are compared as IPv4; ${written(four, bits - 96)}`,
    )
  }
  if (isV4Compatible(address) && bits > 96) return v4Compatible(address, bits)
  const network = networkOf(address, bits)
  if (network.toString() !== address.toString()) {
    return invalid(
      `is neither an address nor a range; write ${network}/${bits}, or ${address} for the address alone`,
    )
  }
  return { kind: 'range', range: [address, bits] }
}

function parseHost(entry: string): AllowEntry {
  const bare = addressOf(withoutBrackets(entry))
  if (bare !== undefined) return invalid(`has brackets; write ${bare}`)
  const [, portless] = /^([^:]+|\[.*\]):\d*$/.exec(entry) ?? []
  if (portless !== undefined && !/[/@]/.test(portless)) {
    return invalid(`has a port, but an entry allows every port; write ${withoutBrackets(portless)}`)
  }
  const host = canonicalHost(entry)
  const canonical = hostnameOf(host)
  // As in a URI: a host that ends in a number is an IPv4 address in some spelling, and never a name.
  if (canonical !== undefined && isIPv4(canonical) && !/[\\/]/.test(host)) {
    return invalid(`is another spelling of ${canonical}; write that instead`)
  }
  if (host.includes('*') || host.startsWith('.')) {
    return invalid('has a wildcard, which is not supported; write each name, or the range of their addresses')
  }
  if (isName(host) && canonical === host) return { kind: 'host', host }
  if (canonical !== undefined && isName(canonical) && !/[\s/:@?#%\\]/.test(host)) {
    return invalid(`matches nothing, because URIs contain it as ${canonical}; write that instead`)
  }
  return invalid(
    'is not a host, address or CIDR range; write a name or an address alone, without scheme, brackets or port',
  )
}

/** RFC 1123 §2.1, plus underscores, which container networks use. */
function isName(host: string): boolean {
  return (
    host.length <= 253 &&
    host.split('.').every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label))
  )
}

function hostnameOf(host: string): string | undefined {
  return URL.canParse(`http://${host}/`) ? new URL(`http://${host}/`).hostname : undefined
}

function networkOf(address: Address, bits: number): Address {
  const bytes = address
    .toByteArray()
    .map((byte, i) => byte & (0xff00 >> Math.min(Math.max(bits - 8 * i, 0), 8)))
  return ipaddr.fromByteArray(bytes)
}

function written(address: ipaddr.IPv4, bits: number): string {
  return `write ${networkOf(address, bits)}/${bits}`
}

/** Parses only the unambiguous spelling of an address. */
function addressOf(text: string): Address | undefined {
  return isIP(text) === 0 ? undefined : parseAddress(text)
}

function single(address: Address): AllowEntry {
  const one = isMapped(address) ? (address as ipaddr.IPv6).toIPv4Address() : address
  if (isV4Compatible(one)) return v4Compatible(one, 128)
  return { kind: 'range', range: [one, bitsOf(one)] }
}

function v4Compatible(address: Address, bits: number): AllowEntry {
  const [four] = embedded(address) as [ipaddr.IPv4]
  return invalid(`is a form of ${four} that no address uses; ${written(four, bits - 96)}`)
}

function isMapped(address: Address): boolean {
  return address.kind() === 'ipv6' && (address as ipaddr.IPv6).isIPv4MappedAddress()
}

function bitsOf(address: Address): number {
  return address.kind() === 'ipv4' ? 32 : 128
}

function withoutBrackets(text: string): string {
  return text.replace(/^\[(.*)\]$/, '$1')
}

function invalid(problem: string): AllowEntry {
  return { kind: 'invalid', problem }
}
