import { readdir } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import { type IssuerSettings, isPattern } from './issuer-settings.ts'

/** Tenants that have a key file, by the names of files; at most `max`. Of other settings, and where no folder is, none. */
export async function tenantsWithKeys(settings: IssuerSettings, max: number): Promise<readonly string[]> {
  const { keysFile } = settings
  if (!isPattern(settings) || max <= 0) return []
  const parts = keysFile.split(sep)
  const at = parts.findIndex((it) => it.includes('{tenant}'))
  const folder = dirname(parts.slice(0, at + 1).join(sep))
  const [before = '', after = ''] = (parts[at] ?? '').split('{tenant}')
  const tenants: string[] = []
  for (const name of (await names(folder)).sort()) {
    const tenant = name.slice(before.length, name.length - after.length)
    if (!/^[A-Za-z0-9-]+$/.test(tenant) || name !== `${before}${tenant}${after}`) continue
    const rest = parts.slice(at + 1).map((it) => it.replaceAll('{tenant}', tenant))
    const file = join(folder, name, ...rest)
    if (rest.length > 0 && !(await names(dirname(file))).includes(rest.at(-1) as string)) continue
    tenants.push(tenant)
    if (tenants.length === max) break
  }
  return tenants
}

async function names(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch {
    return []
  }
}
