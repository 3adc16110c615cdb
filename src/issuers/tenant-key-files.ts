import { opendir, readdir, stat } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import { type IssuerSettings, isPattern } from './issuer-settings.ts'

/** Tenants that have a key file, by the names of files; at most `max`. Of other settings, and where no folder is, none. */
export async function tenantsWithKeys(settings: IssuerSettings, max: number): Promise<readonly string[]> {
  if (!isPattern(settings) || max <= 0) return []
  const { folder, tenantOf } = placesOf(settings)
  const tenants: string[] = []
  for (const name of (await names(folder)).sort()) {
    const tenant = await tenantOf(name)
    if (tenant === undefined) continue
    tenants.push(tenant)
    if (tenants.length === max) break
  }
  return tenants
}

/** Whether any has one. Of a hundred thousand it looks at the first. */
export async function hasTenantWithKeys(settings: IssuerSettings): Promise<boolean> {
  const { folder, tenantOf } = placesOf(settings)
  try {
    for await (const { name } of await opendir(folder)) if ((await tenantOf(name)) !== undefined) return true
  } catch {
    // As if it were empty: none can be read.
  }
  return false
}

interface Places {
  /** In which the names of the tenants stand. */
  readonly folder: string
  /** The tenant of a name in it, if its keys are there. */
  readonly tenantOf: (name: string) => Promise<string | undefined>
}

function placesOf({ keysFile }: IssuerSettings): Places {
  const parts = keysFile.split(sep)
  const at = parts.findIndex((it) => it.includes('{tenant}'))
  const folder = dirname(parts.slice(0, at + 1).join(sep))
  const [before = '', after = ''] = (parts[at] ?? '').split('{tenant}')
  return {
    folder,
    tenantOf: async (name) => {
      const tenant = name.slice(before.length, name.length - after.length)
      if (!/^[A-Za-z0-9-]+$/.test(tenant) || name !== `${before}${tenant}${after}`) return undefined
      const rest = parts.slice(at + 1).map((it) => it.replaceAll('{tenant}', tenant))
      const isThere = rest.length === 0 || (await exists(join(folder, name, ...rest)))
      return isThere ? tenant : undefined
    },
  }
}

async function names(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch {
    return []
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
