import { lookup as askSystem, promises as dns } from 'node:dns'
import { codeOf, RelayFault } from '../lib/errors.ts'
import { type NameFiles, SystemNames } from './system-names.ts'

export interface FoundAddresses {
  /** IPv4 before IPv6. */
  readonly addresses: readonly string[]
  /** How long they may be kept. */
  readonly ttlMs: number
}

export interface NameLookupOptions {
  /** `address:port` each. Those of the machine, unless given. */
  readonly servers?: readonly string[]
  readonly files?: NameFiles
}

/** Twice, the second time for longer: three to four seconds for a name server that never answers. */
const ASK = { timeout: 1_000, tries: 2 } as const
/** With several name servers, or many candidates. */
const LOOKUP_MS_MAX = 5_000
/** How long the addresses of one family wait for those of the other: there are name servers that never answer one question. */
const IPV6_AFTER_IPV4_MS = 250
const IPV4_AFTER_IPV6_MS = 1_000
/** Of each family. Who answers for a name could have thousands kept for it, and for each of ten thousand names. */
const ADDRESSES_MAX = 256
/** What was found by half, or by the system, which does not say how long it holds. */
const SHORT_TTL_MS = 5_000
/** Each occupies one of few threads for as long as a name server pleases. */
const SYSTEM_LOOKUPS_MAX = 1

/**
 * Looks a name up: in the hosts file, then at the name servers by way of c-ares, and what those do not know by way of the
 * system, which may know names from elsewhere (mDNS, LDAP, a container runtime).
 *
 * Not by `dns.lookup` first: of the four threads that all of Node shares it may take two, each until a name server
 * answers, so that two RPs whose name servers never do hold up all others. c-ares asks on the event loop.
 */
export class NameLookup {
  readonly #servers: readonly string[] | undefined
  readonly #system: SystemNames
  #resolver: dns.Resolver | undefined
  #resolverVersion = 0
  #systemLookups = 0

  constructor({ servers, files }: NameLookupOptions = {}) {
    this.#servers = servers
    this.#system = new SystemNames(files)
  }

  /**
   * Throws with Node's codes: `ENOTFOUND` for a name without an address, `EAI_AGAIN` when no name server tells, and with
   * `LR_LOCAL` when none could be asked.
   */
  async find(name: string): Promise<FoundAddresses> {
    const found = await Promise.race([this.#search(name), late(LOOKUP_MS_MAX)])
    if (found === undefined) throw nameFault('EAI_AGAIN', `no name server resolves ${name} in time`)
    return found
  }

  async #search(name: string): Promise<FoundAddresses> {
    const known = this.#system.addressesOf(name)
    if (known !== undefined) return { addresses: ipv4First(known), ttlMs: 0 }
    let unanswered: string | undefined
    for (const candidate of this.#system.candidatesFor(name)) {
      const answer = await this.#ask(candidate)
      if (typeof answer !== 'string') return answer
      if (ABSENT.has(answer)) continue
      unanswered = answer
      // As the resolver of glibc: another candidate would only take as long again.
      if (ENDS.has(answer)) break
    }
    const isAsked = unanswered !== NOT_ASKED
    if (unanswered !== undefined && isAsked) {
      throw nameFault('EAI_AGAIN', `no name server resolves ${name} (${unanswered})`)
    }
    const found = await this.#askSystem(name)
    if (found !== undefined) return found
    if (isAsked) throw nameFault('ENOTFOUND', `${name} has no address`)
    throw new RelayFault('LR_LOCAL', `the name servers of this machine cannot be queried for ${name}`)
  }

  /** Ends questions that are under way. */
  close(): void {
    this.#resolver?.cancel()
  }

  /** The addresses, or the code of what kept them from being found. */
  async #ask(name: string): Promise<FoundAddresses | string> {
    const resolver = this.#currentResolver()
    const four = settled(resolver.resolve4(name, { ttl: true }))
    const six = settled(resolver.resolve6(name, { ttl: true }))
    const [v4, v6] = await Promise.all([
      unlessFound(four, six, IPV4_AFTER_IPV6_MS),
      unlessFound(six, four, IPV6_AFTER_IPV4_MS),
    ])
    const found = [v4, v6].flatMap((records) =>
      typeof records === 'object' ? records.slice(0, ADDRESSES_MAX) : [],
    )
    if (found.length > 0) {
      const isHalf = [v4, v6].some((it) => it === undefined || (typeof it === 'string' && !ABSENT.has(it)))
      const ttlMs = Math.min(
        ...found.map(({ ttl }) => ttl * 1_000),
        isHalf ? SHORT_TTL_MS : Number.POSITIVE_INFINITY,
      )
      return { addresses: found.map(({ address }) => address), ttlMs }
    }
    const codes = [v4, v6].filter((code) => typeof code === 'string')
    return codes.find((code) => !ABSENT.has(code)) ?? 'ENOTFOUND'
  }

  #currentResolver(): dns.Resolver {
    const { version } = this.#system
    if (this.#resolver === undefined || (version !== this.#resolverVersion && this.#servers === undefined)) {
      this.#resolver = new dns.Resolver(ASK)
      this.#resolverVersion = version
      if (this.#servers !== undefined) this.#resolver.setServers(this.#servers)
    }
    return this.#resolver
  }

  async #askSystem(name: string): Promise<FoundAddresses | undefined> {
    if (this.#systemLookups >= SYSTEM_LOOKUPS_MAX) return undefined
    this.#systemLookups++
    return new Promise((resolve) => {
      askSystem(name, { all: true }, (error, found) => {
        this.#systemLookups--
        if (error !== null) resolve(undefined)
        else resolve({ addresses: ipv4First(found.map(({ address }) => address)), ttlMs: SHORT_TTL_MS })
      })
    })
  }
}

interface AddressRecord {
  readonly address: string
  readonly ttl: number
}
type Settled = readonly AddressRecord[] | string

/** Codes of c-ares for an answer: there is no such name, or not with such an address, or there cannot be one. */
const ABSENT: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA', 'EBADNAME'])
/** There is no name server, it does not listen, or this process has no file descriptor left. */
const NOT_ASKED = 'ECONNREFUSED'
const ENDS: ReadonlySet<string> = new Set(['ETIMEOUT', 'ECANCELLED', NOT_ASKED])

async function settled(records: Promise<AddressRecord[]>): Promise<Settled> {
  try {
    return await records
  } catch (error) {
    return codeOf(error) ?? 'UNKNOWN'
  }
}

/** What one question brings, or `undefined` when the other has found addresses and so much time has passed since. */
function unlessFound(
  mine: Promise<Settled>,
  other: Promise<Settled>,
  ms: number,
): Promise<Settled | undefined> {
  const isLate = async () => {
    const found = await other
    return typeof found === 'string' || found.length === 0 ? mine : late(ms)
  }
  return Promise.race([mine, isLate()])
}

function late(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, ms, undefined).unref())
}

function ipv4First(addresses: readonly string[]): string[] {
  return [...addresses].sort((a, b) => Number(a.includes(':')) - Number(b.includes(':')))
}

function nameFault(code: string, message: string): Error {
  return Object.assign(new Error(message), { code })
}
