/** What the expressions of one record may cost together, in units of about ten nanoseconds. */
const UNITS_MAX = 5_000_000
const UNITS_PER_VALUE = 5
const CHARACTERS_PER_UNIT = 2

let unitsLeft = UNITS_MAX

/** To be called before the expressions of each record, however many events it holds. */
export function renewBudget(): void {
  unitsLeft = UNITS_MAX
}

/** For what is done anyway: whoever goes on asks `isSpent`. */
export function charge(units: number): void {
  unitsLeft -= units
}

/** Throws when the record has cost too much. */
export function spend(units: number): void {
  charge(units)
  if (isSpent()) throw new Error('the expression costs too much')
}

/** Whether the record has cost too much. Expressions may hide what was thrown then, as `||` does. */
export function isSpent(): boolean {
  return unitsLeft < 0
}

/** Spends what it takes to go through the whole value, and returns it. */
export function sized(value: unknown): unknown {
  walk(value)
  return value
}

/** Spends `perElement` for each element of a list, or key of an object, and returns it. */
export function looped(list: unknown, perElement: bigint): unknown {
  if (typeof list !== 'object' || list === null) return list
  const elements = Array.isArray(list)
    ? list.length
    : list instanceof Map
      ? list.size
      : Object.keys(list).length
  spend(Number(perElement) * elements)
  return list
}

function walk(value: unknown): void {
  if (typeof value === 'string') spend(UNITS_PER_VALUE + value.length / CHARACTERS_PER_UNIT)
  else spend(UNITS_PER_VALUE)
  if (typeof value !== 'object' || value === null) return
  if (Array.isArray(value) || value instanceof Map) for (const element of value.values()) walk(element)
  else if (Object.getPrototypeOf(value) === Object.prototype) Object.values(value).forEach(walk)
}
