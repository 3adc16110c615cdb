import { relative, resolve, sep } from 'node:path'
import { TENANT } from './issuers-schema.ts'
import { type Conflict, type Named, namedTwice, type PlacedEntry, textAt } from './placed-entry.ts'

/** Where an entry has its keys, by its text alone: where links lead is looked at when they are read. */
interface KeysOf<Entry> extends Named<Entry> {
  readonly key: 'file' | 'directory'
  readonly text: string
  /** The absolute path, and the names in it. */
  readonly name: string
  readonly parts: readonly string[]
}

/** The path of the keys that is meant. */
export function keysFileOf(text: string, folder: string): string {
  return resolve(folder, text)
}

/** Keys that lie outside the folder of the file, or not where those of a tenant, or of one issuer, must be. */
export function keysOutside<Entry extends PlacedEntry>(of: Entry): Conflict<Entry>[] {
  const issuer = textAt(of.value, 'issuer')
  return keysOf(of).flatMap(({ path, text }) => {
    const problems: Conflict<Entry>[] = []
    if (isOutside(text, of.folder)) {
      problems.push({ of, path, text: 'must be a path below the folder of the issuers file, without ..' })
    }
    if (text.split(sep).some((part) => part.split(TENANT).length > 2)) {
      problems.push({ of, path, text: `must have ${TENANT} once in each part of the path` })
    }
    if (issuer === undefined || issuer.includes(TENANT) === text.includes(TENANT)) return problems
    const remedy = issuer.includes(TENANT)
      ? `must have ${TENANT} in it, as the issuer does, or all tenants would share their keys`
      : `must have ${TENANT} in it only where the issuer has`
    return [...problems, { of, path, text: remedy }]
  })
}

/** With the keys of one issuer nobody may sign for another: not by a slip, and not by the name of a tenant in a record. */
export function keysInDispute<Entry extends PlacedEntry>(entries: readonly Entry[]): Conflict<Entry>[] {
  const all = entries.flatMap((of) => keysOf(of))
  const named = all.map((at) => ({ name: at.name, at }))
  return [
    ...namedTwice(named, 'is the key file of another issuer'),
    ...inDirectories(all),
    ...ofPatterns(all),
  ]
}

function keysOf<Entry extends PlacedEntry>(of: Entry): KeysOf<Entry>[] {
  return (['file', 'directory'] as const).flatMap((key) => {
    const text = textAt(of.value, 'keys', key)
    if (text === undefined) return []
    const name = keysFileOf(text, of.folder)
    return [{ of, key, text, name, path: [...of.path, 'keys', key], parts: name.split(sep) }]
  })
}

function isOutside(text: string, folder: string): boolean {
  const [first] = relative(folder, keysFileOf(text, folder)).split(sep)
  return first === '' || first === '..' || text.split(sep).includes('..')
}

/** What lies in the directory of another one; of a pattern, whatever its tenants are called. */
function inDirectories<Entry>(all: readonly KeysOf<Entry>[]): Conflict<Entry>[] {
  const directories = new Map(all.filter(({ key }) => key === 'directory').map((it) => [it.name, it]))
  if (directories.size === 0) return []
  return all.flatMap((it) => {
    for (let depth = it.parts.length - 1; depth > 1; depth--) {
      const other = directories.get(it.parts.slice(0, depth).join(sep))
      if (other !== undefined) return [dispute(it, other)]
    }
    return []
  })
}

/**
 * What two patterns can mean, each with some tenant. A tenant with the name of what a listed issuer has gets no keys, which is
 * seen when they are read; here nobody is meant before another.
 */
function ofPatterns<Entry>(all: readonly KeysOf<Entry>[]): Conflict<Entry>[] {
  const patterns = all.filter(({ text }) => text.includes(TENANT)).map((it) => ({ it, head: headOf(it) }))
  return patterns.flatMap(({ it, head }, i) => {
    const other = patterns
      .slice(0, i)
      .find(
        ({ it: other, head: otherHead }) =>
          (head.startsWith(otherHead) || otherHead.startsWith(head)) &&
          it.name !== other.name &&
          canMeet(it, other),
      )
    return other === undefined ? [] : [dispute(it, other.it)]
  })
}

function dispute<Entry>(it: KeysOf<Entry>, other: KeysOf<Entry>): Conflict<Entry> {
  const { of, path, text } = it
  return { of, path, text: 'can hold the keys of another issuer', other, name: text }
}

/** Before its first tenant. */
function headOf({ name }: KeysOf<unknown>): string {
  return name.split(TENANT)[0] ?? ''
}

/** Whether one can be the other, or be in the other, which is a directory. */
function canMeet(a: KeysOf<unknown>, b: KeysOf<unknown>): boolean {
  const [shorter, longer] = a.parts.length <= b.parts.length ? [a, b] : [b, a]
  if (shorter.parts.length < longer.parts.length && shorter.key !== 'directory') return false
  return shorter.parts.every((part, i) => canBeOne(part, longer.parts[i] ?? ''))
}

/** Whether two names can be one, whatever tenants stand in them. */
function canBeOne(a: string, b: string): boolean {
  const [x, y] = [steps(a), steps(b)]
  const seen = new Set<number>()
  const left: (readonly [number, number])[] = [[0, 0]]
  for (let at = left.pop(); at !== undefined; at = left.pop()) {
    const [i, j] = at
    if (i === x.length && j === y.length) return true
    const id = i * (y.length + 1) + j
    if (seen.has(id)) continue
    seen.add(id)
    const [p, q] = [x[i], y[j]]
    if (p?.isAnyNumber) left.push([i + 1, j])
    if (q?.isAnyNumber) left.push([i, j + 1])
    if (p === undefined || q === undefined || !isCommon(p.character, q.character)) continue
    left.push([p.isAnyNumber ? i : i + 1, q.isAnyNumber ? j : j + 1])
  }
  return false
}

interface Step {
  /** `undefined`: any of a tenant's name. */
  readonly character: string | undefined
  readonly isAnyNumber: boolean
}

function steps(name: string): Step[] {
  return name.split(TENANT).flatMap((part, i): Step[] => [
    ...(i === 0
      ? []
      : [
          { character: undefined, isAnyNumber: false },
          { character: undefined, isAnyNumber: true },
        ]),
    ...Array.from(part, (character) => ({ character, isAnyNumber: false })),
  ])
}

function isCommon(a: string | undefined, b: string | undefined): boolean {
  if (a !== undefined && b !== undefined) return a === b
  const character = a ?? b
  return character === undefined || /^[A-Za-z0-9-]$/.test(character)
}
