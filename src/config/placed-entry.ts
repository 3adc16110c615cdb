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

export interface Named<Entry> {
  readonly of: Entry
  readonly path: DocumentPath
}

/** Each name that an earlier place has already. */
export function namedTwice<Entry>(
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

/** The text that stands there, if one does. */
export function textAt(value: unknown, ...path: readonly string[]): string | undefined {
  const found = path.reduce(
    (it: unknown, key) => (it as Record<string, unknown> | null | undefined)?.[key],
    value,
  )
  return typeof found === 'string' ? found : undefined
}

/** The list of that name; an empty one where there is none. */
export function listAt(value: unknown, key: string): readonly unknown[] {
  const found = (value as Record<string, unknown> | null)?.[key]
  return Array.isArray(found) ? found : []
}
