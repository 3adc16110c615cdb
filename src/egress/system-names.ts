import { readFileSync, statSync } from 'node:fs'
import { isIP } from 'node:net'

/** The machine's configuration of names. */
export interface NameFiles {
  /** As `/etc/hosts`. */
  readonly hosts: string
  /** As `/etc/resolv.conf`. */
  readonly resolvConf: string
}

const LOOK_MS = 1_000
const NDOTS_MAX = 15

/**
 * The files in which a machine, a container or a pod names its neighbours. c-ares reads neither the hosts file nor the search
 * list. Both are reread when they change.
 */
export class SystemNames {
  readonly #hosts: FileOnDisk<ReadonlyMap<string, readonly string[]>>
  readonly #search: FileOnDisk<SearchList>

  constructor(files: NameFiles = { hosts: '/etc/hosts', resolvConf: '/etc/resolv.conf' }) {
    this.#hosts = new FileOnDisk(files.hosts, parseHosts)
    this.#search = new FileOnDisk(files.resolvConf, parseSearchList)
  }

  /** The addresses of a name that needs no name server. RFC 6761 §6.3: `localhost` always is this machine. */
  addressesOf(name: string): readonly string[] | undefined {
    const key = name.toLowerCase().replace(/\.$/, '')
    const found = this.#hosts.content.get(key)
    if (found !== undefined) return found
    return /(^|\.)localhost$/.test(key) ? ['127.0.0.1', '::1'] : undefined
  }

  /** The names to ask for, in order, by `search` and `ndots` of resolv.conf(5). */
  candidatesFor(name: string): readonly string[] {
    if (name.endsWith('.')) return [name.slice(0, -1)]
    const { suffixes, ndots } = this.#search.content
    const longer = suffixes.map((suffix) => `${name}.${suffix}`)
    return name.split('.').length > ndots ? [name, ...longer] : [...longer, name]
  }

  /** Changes with the list of name servers. */
  get version(): number {
    return this.#search.version
  }
}

interface SearchList {
  readonly suffixes: readonly string[]
  readonly ndots: number
}

class FileOnDisk<T> {
  readonly #path: string
  readonly #parse: (text: string) => T
  #content: T
  #changed = ''
  #version = 0
  #lookedAtMs = Number.NEGATIVE_INFINITY

  constructor(path: string, parse: (text: string) => T) {
    this.#path = path
    this.#parse = parse
    this.#content = parse('')
  }

  get content(): T {
    this.#look()
    return this.#content
  }

  get version(): number {
    this.#look()
    return this.#version
  }

  #look(): void {
    const now = performance.now()
    if (now - this.#lookedAtMs < LOOK_MS) return
    this.#lookedAtMs = now
    try {
      const { mtimeMs, size, ino } = statSync(this.#path)
      const changed = `${mtimeMs} ${size} ${ino}`
      if (changed === this.#changed) return
      this.#content = this.#parse(readFileSync(this.#path, 'utf8'))
      this.#changed = changed
      this.#version++
    } catch {
      // A missing file, or one being replaced, leaves the known content in use.
    }
  }
}

function parseHosts(text: string): ReadonlyMap<string, readonly string[]> {
  const addresses = new Map<string, string[]>()
  for (const [address = '', ...names] of wordsByLine(text)) {
    if (isIP(address) === 0) continue
    for (const name of names) {
      const key = name.toLowerCase().replace(/\.$/, '')
      const known = addresses.get(key)
      if (known === undefined) addresses.set(key, [address])
      else if (!known.includes(address)) known.push(address)
    }
  }
  return addresses
}

/** The last `search` or `domain` counts. */
function parseSearchList(text: string): SearchList {
  let suffixes: string[] = []
  let ndots = 1
  for (const [keyword, ...words] of wordsByLine(text)) {
    if (keyword === 'search')
      suffixes = words.map((word) => word.replace(/\.$/, '')).filter((word) => word !== '')
    if (keyword === 'domain') suffixes = words.slice(0, 1)
    if (keyword !== 'options') continue
    for (const word of words) ndots = Math.min(Number(/^ndots:(\d+)$/.exec(word)?.[1] ?? ndots), NDOTS_MAX)
  }
  return { suffixes, ndots }
}

function wordsByLine(text: string): string[][] {
  return text.split(/\r?\n/).map((line) =>
    line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/),
  )
}
