import { lookup as askSystem, promises as dns } from 'node:dns'
import { codeOf, RelayFault } from '../lib/errors.ts'
import { type NameFiles, SystemNames } from './system-names.ts'

export interface FoundAddresses {
  /** IPv4 before IPv6. */
  readonly addresses: readonly string[]
  /** How long they may be cached. */
  readonly ttlMs: number
}

export interface NameLookupOptions {
  /** Each as `address:port`. The machine's servers by default. */
  readonly servers?: readonly string[]
  readonly files?: NameFiles
}

/** Two tries, the second with a longer time-out: three to four seconds for a dead name server. */
const ASK = { timeout: 1_000, tries: 2 } as const
/** For several name servers or many candidates. */
const LOOKUP_MS_MAX = 5_000
/** How long the addresses of one family wait for the other: some name servers never answer one of the two questions. */
const IPV6_AFTER_IPV4_MS = 250
const IPV4_AFTER_IPV6_MS = 1_000
/** Per family. A malicious name server could return thousands for each of ten thousand names. */
const ADDRESSES_MAX = 256
/** For partial results, and those of the system, which reports no TTL. */
const SHORT_TTL_MS = 5_000
/** Each blocks one of few threads until a name server answers. */
const SYSTEM_LOOKUPS_MAX = 1

/**
 * Looks a name up: in the hosts file, then at the name servers through c-ares, then through the system, which may know other
 * sources (mDNS, LDAP, a container runtime).
 *
 * Not through `dns.lookup` first: it may use two of the four threads that Node shares, each until a name server answers. Two
 * RPs with dead name servers would block all others. c-ares uses the event loop.
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
   * Throws with Node's codes: `ENOTFOUND` for a name without an address, `EAI_AGAIN` when no name server answers; and with
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
      // As glibc's resolver: another candidate would take as long again.
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

  close(): void {
    this.#resolver?.cancel()
  }

  /** The addresses, or the code of the failure. */
  async #ask(name: string): Promise<FoundAddresses | string> {
    const resolver = this.#currentResolver()
    const four = settled(resolver.resolve4(name, { ttl: true }))
    const six = settled(resolver.resolve6(name, { ttl: true }))
    const [v4, v6] = await Promise.all([
      unlessOtherFound(four, six, IPV4_AFTER_IPV6_MS),
      unlessOtherFound(six, four, IPV6_AFTER_IPV4_MS),
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

/** c-ares' codes for a negative answer: the name does not exist, has no such address, or is invalid. */
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

/** The answer to one question; `undefined` if the other question has found addresses and `ms` have passed since. */
function unlessOtherFound(
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
