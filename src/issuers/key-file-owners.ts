import { realpath } from 'node:fs/promises'
import { sep } from 'node:path'
import { type IssuerSettings, isPattern } from './issuer-settings.ts'

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
    | { readonly atMs: number; readonly owners: Promise<ReadonlyMap<string, readonly string[]>> }
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

  /**
   * Whose key file that is, if it is not that of `own` alone, or `undefined`. `real`: the path of `own.keysFile` with all links
   * followed. What a listed issuer has is never a tenant's, and what has the name of one tenant is never another's.
   */
  async otherOwner(own: IssuerSettings, real: string): Promise<string | undefined> {
    const listed = (await this.#listed()).get(real)?.find((issuer) => issuer !== own.issuer)
    if (listed !== undefined || own.ofPattern === undefined) return listed
    const { tenant, keysFile } = own.ofPattern
    if (tenantIn(real, keysFile) !== tenant) return 'somebody else by its name'
    return this.#pattern(own, real)
  }

  #listed(): Promise<ReadonlyMap<string, readonly string[]>> {
    const now = this.#nowMs()
    if (this.#known === undefined || now - this.#known.atMs >= LOOKED_UP_MS) {
      const listed = this.#settings.filter((it) => !isPattern(it))
      this.#known = { atMs: now, owners: ownersOf(listed) }
    }
    return this.#known.owners
  }

  /** The tenant of another pattern, by which the same file has another path. */
  async #pattern({ keysFile }: IssuerSettings, real: string): Promise<string | undefined> {
    for (const { issuer, keysFile: pattern } of this.#settings.filter(isPattern)) {
      const tenant = tenantIn(real, pattern)
      if (tenant === undefined) continue
      const path = pattern.replaceAll('{tenant}', tenant)
      if (path !== keysFile && (await target(path)) === real) return issuer.replace('{tenant}', tenant)
    }
    return undefined
  }
}

async function ownersOf(listed: readonly IssuerSettings[]): Promise<ReadonlyMap<string, readonly string[]>> {
  const owners = new Map<string, string[]>()
  for (let i = 0; i < listed.length; i += AT_ONCE) {
    const some = listed.slice(i, i + AT_ONCE)
    const targets = await Promise.all(some.map(({ keysFile }) => target(keysFile)))
    for (const [k, { issuer }] of some.entries()) {
      const path = targets[k]
      if (path === undefined) continue
      const those = owners.get(path)
      if (those === undefined) owners.set(path, [issuer])
      else those.push(issuer)
    }
  }
  return owners
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
