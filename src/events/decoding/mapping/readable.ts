/** Deeper than what any platform writes. CEL remembers a type for each way in which values are nested. */
export const LEVELS_MAX = 16
/** CEL looks for the first member of an object to find its type, which takes longer for an object with many. */
const MEMBERS_MAX = 100

/**
 * What expressions may read: the same value, in which objects of many members are maps. It is changed in its place. `undefined` for what is
 * nested in more than `LEVELS_MAX` levels.
 */
export function readable(value: unknown): unknown {
  try {
    return isBranch(value) ? branch(value, LEVELS_MAX) : value
  } catch (error) {
    if (error === TOO_DEEP) return undefined
    throw error
  }
}

const TOO_DEEP = Symbol('too deep')

function isBranch(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function branch(value: Record<string, unknown> | unknown[], levels: number): unknown {
  if (levels === 0) throw TOO_DEEP
  if (Array.isArray(value)) {
    for (const [i, element] of value.entries()) if (isBranch(element)) value[i] = branch(element, levels - 1)
    return value
  }
  let members = 0
  for (const name in value) {
    members++
    const below = value[name]
    if (!isBranch(below)) continue
    const found = branch(below, levels - 1)
    if (found !== below) value[name] = found
  }
  return members > MEMBERS_MAX ? new Map(Object.entries(value)) : value
}

/** The value that is found through members of what is readable; `null` where there is none. */
export function memberOf(value: unknown, names: readonly string[]): unknown {
  let found = value
  for (const name of names) {
    if (!isBranch(found)) return null
    if (found instanceof Map) found = found.get(name)
    else if (Object.hasOwn(found, name)) found = found[name]
    else return null
  }
  return found ?? null
}
