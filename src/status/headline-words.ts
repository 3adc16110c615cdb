const NAMED_MAX = 3

/** The first few names in a sentence. `total`: how many there are. */
export function listed(names: readonly string[], total = names.length): string {
  const named = names.slice(0, NAMED_MAX)
  const left = total - named.length
  if (left > 0) return `${named.join(', ')} and ${number(left)} more`
  return named.length < 2 ? (named[0] ?? '') : `${named.slice(0, -1).join(', ')} and ${named.at(-1)}`
}

/** A line of those that say something. */
export function sentences(...parts: readonly string[]): string {
  return parts
    .filter((it) => it !== '')
    .map((it) => `${capitalised(it)}.`)
    .join(' ')
}

export function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** With thousands apart. */
export function number(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',')
}

/** A length of time in its largest unit. */
export function span(ms: number): string {
  const seconds = Math.max(Math.round(ms / 1_000), 1)
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`
  return seconds < 172_800 ? `${Math.floor(seconds / 3_600)} h` : `${Math.floor(seconds / 86_400)} days`
}
