import { relative, resolve, sep } from 'node:path'
import { TENANT } from './issuers-schema.ts'
import type { DocumentPath } from './yaml-document.ts'

/** One entry of the list, perhaps wrong in other ways, so that all that is wrong is said at once. */
export interface PlacedEntry {
  readonly value: unknown
  readonly path: DocumentPath
  /** Absolute; where relative paths start. */
  readonly folder: string
}

export interface Conflict<Entry> {
  readonly of: Entry
  readonly path: DocumentPath
  /** What is said before the other place, if there is one. */
  readonly text: string
  readonly other?: { readonly of: Entry; readonly path: DocumentPath }
  /** A name that both places have. */
  readonly name?: string
}

interface Named<Entry> {
  readonly of: Entry
  readonly path: DocumentPath
}

/** What each value allows by itself but not together, in one entry and across all. */
export function issuerConflicts<Entry extends PlacedEntry>(entries: readonly Entry[]): Conflict<Entry>[] {
  return [
    ...entries.flatMap((of) => [...keysConflicts(of), ...aliasesOfPattern(of), ...clientsNamedTwice(of)]),
    ...issuersNamedTwice(entries),
    ...unclearPatterns(entries),
    ...keysOfOthers(entries),
    ...aliasesOfTenants(entries),
  ]
}

/** The path of the keys that is meant. */
export function keysFileOf(file: string, folder: string): string {
  return resolve(folder, file)
}

function keysConflicts<Entry extends PlacedEntry>(of: Entry): Conflict<Entry>[] {
  const file = textAt(of.value, 'keys', 'file')
  if (file === undefined) return []
  const path = [...of.path, 'keys', 'file']
  const problems: Conflict<Entry>[] = []
  if (isOutside(file, of.folder)) {
    problems.push({ of, path, text: 'must be a path below the folder of the issuers file, without ..' })
  }
  const issuer = textAt(of.value, 'issuer')
  if (issuer === undefined || issuer.includes(TENANT) === file.includes(TENANT)) return problems
  const text = issuer.includes(TENANT)
    ? `must have ${TENANT} in it, as the issuer does, or all tenants would share their keys`
    : `must have ${TENANT} in it only where the issuer has`
  return [...problems, { of, path, text }]
}

/** By the text alone; where links lead is looked at when the file is read. */
function isOutside(file: string, folder: string): boolean {
  const [first] = relative(folder, keysFileOf(file, folder)).split(sep)
  return first === '' || first === '..' || file.split(sep).includes('..')
}

function aliasesOfPattern<Entry extends PlacedEntry>(of: Entry): Conflict<Entry>[] {
  if (!textAt(of.value, 'issuer')?.includes(TENANT) || listAt(of.value, 'aliases').length === 0) return []
  return [
    {
      of,
      path: [...of.path, 'aliases'],
      text: 'must not be given to a pattern: which tenant would they name?',
    },
  ]
}

function clientsNamedTwice<Entry extends PlacedEntry>(of: Entry): Conflict<Entry>[] {
  const names = listAt(of.value, 'clients').map((client, i) => ({
    name: textAt(client, 'clientId'),
    at: { of, path: [...of.path, 'clients', i, 'clientId'] },
  }))
  return namedTwice(names, 'is that of another client of this issuer')
}

function issuersNamedTwice<Entry extends PlacedEntry>(entries: readonly Entry[]): Conflict<Entry>[] {
  const issuers = entries.map((of) => ({
    name: textAt(of.value, 'issuer'),
    at: { of, path: [...of.path, 'issuer'] },
  }))
  const aliases = entries.flatMap((of) =>
    listAt(of.value, 'aliases').map((alias, i) => ({
      name: typeof alias === 'string' ? alias : undefined,
      at: { of, path: [...of.path, 'aliases', i] },
    })),
  )
  // Issuers first, so that of an alias and an issuer the alias is what is wrong.
  return namedTwice([...issuers, ...aliases], 'means one issuer already')
}

function namedTwice<Entry>(
  names: readonly { readonly name: string | undefined; readonly at: Named<Entry> }[],
  text: string,
): Conflict<Entry>[] {
  const first = new Map<string, Named<Entry>>()
  return names.flatMap(({ name, at }) => {
    if (name === undefined) return []
    const other = first.get(name)
    if (other === undefined) first.set(name, at)
    return other === undefined ? [] : [{ ...at, text, other, name }]
  })
}

/** With the keys of one issuer nobody may sign for another: not by a slip, and not by the name of a tenant in a record. */
function keysOfOthers<Entry extends PlacedEntry>(entries: readonly Entry[]): Conflict<Entry>[] {
  const files = entries.flatMap((of) => {
    const file = textAt(of.value, 'keys', 'file')
    return file === undefined
      ? []
      : [{ name: keysFileOf(file, of.folder), at: { of, path: [...of.path, 'keys', 'file'] } }]
  })
  const patterns = files.filter(({ name }) => name.includes(TENANT))
  const met = files.flatMap(({ name, at }): Conflict<Entry>[] => {
    const other = patterns.find(
      (it) => it.name !== name && meansTenant(it.name, name.replaceAll(TENANT, 'x')),
    )
    return other === undefined
      ? []
      : [
          {
            ...at,
            text: 'is a key file that a pattern can mean',
            other: other.at,
            name: textAt(other.at.of.value, 'issuer') ?? '',
          },
        ]
  })
  return [...namedTwice(files, 'is the key file of another issuer'), ...met]
}

function aliasesOfTenants<Entry extends PlacedEntry>(entries: readonly Entry[]): Conflict<Entry>[] {
  const patterns = entries.flatMap((of) => {
    const name = textAt(of.value, 'issuer')
    return name?.includes(TENANT) ? [{ of, path: [...of.path, 'issuer'], name }] : []
  })
  return entries.flatMap((of) =>
    listAt(of.value, 'aliases').flatMap((alias, i): Conflict<Entry>[] => {
      const other = patterns.find(({ name }) => typeof alias === 'string' && meansTenant(name, alias))
      const path = [...of.path, 'aliases', i]
      return other === undefined
        ? []
        : [{ of, path, text: 'is an issuer that a pattern means', other, name: other.name }]
    }),
  )
}

/** Whether a text is that of a pattern with some tenant in its places. */
function meansTenant(pattern: string, text: string): boolean {
  const [before = '', ...rest] = pattern.split(TENANT)
  if (!text.startsWith(before)) return false
  const found = /^[A-Za-z0-9-]*/.exec(text.slice(before.length))?.[0] ?? ''
  // What follows in the pattern may itself be of such characters.
  for (let end = found.length; end > 0; end--)
    if (text === [before, ...rest].join(found.slice(0, end))) return true
  return false
}

interface Pattern<Entry> extends Named<Entry> {
  readonly name: string
  readonly before: string
  readonly after: string
}

/** Of two patterns that can mean one issuer one must be a part of the other: the more specific one, which is taken. */
function unclearPatterns<Entry extends PlacedEntry>(entries: readonly Entry[]): Conflict<Entry>[] {
  const patterns = entries.flatMap((of): Pattern<Entry>[] => {
    const name = textAt(of.value, 'issuer')
    const [before, after, more] = name?.split(TENANT) ?? []
    if (name === undefined || before === undefined || after === undefined || more !== undefined) return []
    return [{ of, path: [...of.path, 'issuer'], name, before, after }]
  })
  // Thousands of patterns have few beginnings, or beginnings that nothing else begins with.
  const byBeginning = [...Map.groupBy(patterns, ({ before }) => before)]
  return byBeginning.flatMap(([before, some]) =>
    byBeginning
      .filter(([longer]) => longer.length > before.length && longer.startsWith(before))
      .flatMap(([longer, others]) => {
        const d = longer.slice(before.length)
        return others.flatMap(({ of, path, after }) => {
          const other = some.find((it) => canMeet(d, it.after, after))
          const text = `can mean the same issuer as another pattern, and neither is the more specific`
          return other === undefined ? [] : [{ of, path, text, other, name: other.name }]
        })
      }),
  )
}

/**
 * Whether `{tenant}` + `after` and `added` + `{tenant}` + `shorter` can be one text although neither pattern is a part of the
 * other.
 */
function canMeet(added: string, after: string, shorter: string): boolean {
  if (after.length <= shorter.length || !after.endsWith(shorter)) return false
  const rest = after.slice(0, after.length - shorter.length)
  // Tenants long enough to hold what the other pattern has in their place.
  if (isTenant(added) && isTenant(rest)) return true
  // Or so short that they are the outer ends of what both have.
  for (let i = 1; i < added.length; i++) {
    const shared = added.slice(i)
    if (isTenant(added.slice(0, i)) && rest.startsWith(shared) && isTenant(rest.slice(shared.length)))
      return true
  }
  return false
}

function isTenant(text: string): boolean {
  return /^[A-Za-z0-9-]+$/.test(text)
}

function textAt(value: unknown, ...path: readonly string[]): string | undefined {
  const found = path.reduce(
    (it: unknown, key) => (it as Record<string, unknown> | null | undefined)?.[key],
    value,
  )
  return typeof found === 'string' ? found : undefined
}

function listAt(value: unknown, key: string): readonly unknown[] {
  const found = (value as Record<string, unknown> | null)?.[key]
  return Array.isArray(found) ? found : []
}
