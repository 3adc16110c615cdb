import { realpath } from 'node:fs/promises'
import { dirname, sep } from 'node:path'
import { type IssuerSettings, isPattern } from './issuer-settings.ts'
import type { KeyBounds } from './signing/key-source.ts'

/** Issuers by the path of their keys: as it is written, and with all links followed. */
type Owners = Map<string, Set<string>>

/** Where links of all listed issuers lead is looked up no more often. */
const LOOKED_UP_MS = 2_000
const AT_ONCE = 64

/**
 * Whose key file a path leads to, links followed: by their text the paths of two issuers never meet, but a link to a file or
 * a folder may lead from the one to the other, and with the keys of one issuer nobody may sign for another.
 */
export class KeyFileOwners {
  #settings: readonly IssuerSettings[] = []
  #known:
    | { readonly atMs: number; readonly owners: Owners; looked: Promise<readonly IssuerSettings[]> }
    | undefined
  readonly #nowMs: () => number

  /** `nowMs`: the monotonic clock. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  /** All that is configured, patterns included. */
  use(settings: readonly IssuerSettings[]): void {
    this.#settings = settings
    this.#known = undefined
  }

  /** Where the keys of that issuer may be read. */
  bounds(own: IssuerSettings): KeyBounds {
    return {
      ...(own.isKeysDirectory && { isDirectory: true }),
      folder: own.keysFolder,
      otherOwner: (real) => this.otherOwner(own, real),
      owners: () => this.#settings,
    }
  }

  /**
   * Whose key file that is, if it is not that of `own` alone, or `undefined`. `real`: the path of `own.keysFile` with all links
   * followed. What a listed issuer has is never a tenant's, and what has the name of one tenant is never another's.
   */
  async otherOwner(own: IssuerSettings, real: string): Promise<string | undefined> {
    const owners = await this.#listed()
    for (const whole of [own.keysFile, real]) {
      // Of a directory, all that is in it is its owner's.
      for (let path = whole; path !== dirname(path); path = dirname(path)) {
        const listed = [...(owners.get(path) ?? [])].find((issuer) => issuer !== own.issuer)
        if (listed !== undefined) return listed
      }
    }
    if (own.ofPattern === undefined) return undefined
    const { tenant, keysFile } = own.ofPattern
    if (tenantIn(keysPath(own, real), keysFile) !== tenant) return 'somebody else by its name'
    return this.#tenantOfOther(keysFile, real)
  }

  async #listed(): Promise<Owners> {
    const now = this.#nowMs()
    if (this.#known === undefined || now - this.#known.atMs >= LOOKED_UP_MS) {
      const listed = this.#settings.filter((it) => !isPattern(it))
      const owners: Owners = new Map()
      this.#known = { atMs: now, owners, looked: lookUp(listed, owners) }
    } else {
      // What was not there then may be what is read now.
      const { looked, owners } = this.#known
      this.#known.looked = looked.then((missing) => lookUp(missing, owners))
    }
    const { looked, owners } = this.#known
    await looked
    return owners
  }

  /** The tenant of another pattern that has the same file. `own`: the path of the pattern that asks. */
  async #tenantOfOther(own: string, real: string): Promise<string | undefined> {
    for (const settings of this.#settings.filter(isPattern)) {
      const { issuer, keysFile: pattern } = settings
      const tenant = pattern === own ? undefined : tenantIn(keysPath(settings, real), pattern)
      if (tenant === undefined) continue
      const path = await target(pattern.replaceAll('{tenant}', tenant))
      if (path === real || real.startsWith(`${path}${sep}`)) return issuer.replace('{tenant}', tenant)
    }
    return undefined
  }
}

/** What of the path of one file the settings name: the file, or the directory in which it is. */
function keysPath({ isKeysDirectory }: IssuerSettings, real: string): string {
  return isKeysDirectory ? dirname(real) : real
}

/** Adds them to `owners`. Returns those whose keys are not there. */
async function lookUp(listed: readonly IssuerSettings[], owners: Owners): Promise<readonly IssuerSettings[]> {
  const missing: IssuerSettings[] = []
  for (let i = 0; i < listed.length; i += AT_ONCE) {
    const some = listed.slice(i, i + AT_ONCE)
    const targets = await Promise.all(some.map(({ keysFile }) => target(keysFile)))
    for (const [k, settings] of some.entries()) {
      const { issuer, keysFile } = settings
      const real = targets[k]
      if (real === undefined) missing.push(settings)
      for (const path of new Set([keysFile, real ?? keysFile]))
        owners.set(path, (owners.get(path) ?? new Set()).add(issuer))
    }
  }
  return missing
}

/** What is not there belongs to nobody yet. */
async function target(path: string): Promise<string | undefined> {
  try {
    return await realpath(path)
  } catch {
    return undefined
  }
}

/**
 * What stands in a path, counted from its end, where a pattern has its first `{tenant}`. Kubernetes mounts files behind links of
 * its own, to folders with two dots before their names.
 */
function tenantIn(path: string, pattern: string): string | undefined {
  const parts = pattern.split(sep)
  const at = parts.findIndex((it) => it.includes('{tenant}'))
  const [before = '', after = ''] = (parts[at] ?? '').split('{tenant}')
  const own = path.split(sep).filter((it) => !it.startsWith('..'))
  const part = own.at(at - parts.length) ?? ''
  const isLike = part.length > before.length + after.length && part.startsWith(before) && part.endsWith(after)
  const tenant = isLike ? part.slice(before.length, part.length - after.length) : ''
  return /^[A-Za-z0-9-]+$/.test(tenant) ? tenant : undefined
}
