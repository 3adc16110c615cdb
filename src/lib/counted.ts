/** A number with what it counts, such as `1 record` and `2 records`; `many` where an s alone does not make the plural. */
export function counted(count: number, one: string, many?: string): string {
  return `${count} ${wordFor(count, one, many)}`
}

/** The same without the number, for a verb that stands further on. */
export function wordFor(count: number, one: string, many = `${one}s`): string {
  return count === 1 ? one : many
}
