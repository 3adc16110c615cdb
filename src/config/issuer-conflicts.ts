import { keysInDispute, keysOutside } from './issuer-keys.ts'
import { TENANT } from './issuers-schema.ts'
import { type Conflict, listAt, type Named, namedTwice, type PlacedEntry, textAt } from './placed-entry.ts'

/** What each value allows by itself but not together, in one entry and across all. */
export function issuerConflicts<Entry extends PlacedEntry>(entries: readonly Entry[]): Conflict<Entry>[] {
  return [
    ...entries.flatMap((of) => [...keysOutside(of), ...aliasesOfPattern(of), ...clientsNamedTwice(of)]),
    ...issuersNamedTwice(entries),
    ...unclearPatterns(entries),
    ...keysInDispute(entries),
    ...aliasesOfTenants(entries),
  ]
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

function aliasesOfTenants<Entry extends PlacedEntry>(entries: readonly Entry[]): Conflict<Entry>[] {
  const patterns = entries.flatMap((of) => {
    const name = textAt(of.value, 'issuer')
    return name?.includes(TENANT) ? [{ of, path: [...of.path, 'issuer'], name }] : []
  })
  return entries.flatMap((of) =>
    listAt(of.value, 'aliases').flatMap((alias, i): Conflict<Entry>[] => {
      const name = String(alias)
      const other = patterns.find((pattern) => meansTenant(pattern.name, name))
      const path = [...of.path, 'aliases', i]
      return other === undefined ? [] : [{ of, path, text: 'is an issuer that a pattern means', other, name }]
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
