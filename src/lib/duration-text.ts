import { counted } from './counted.ts'

const units = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
] as const

/** A duration for people, in its two largest units: "30 days", "1 hour 30 minutes", "250 ms". */
export function durationText(ms: number): string {
  const words: string[] = []
  let rest = ms
  for (const [name, size] of units) {
    const count = Math.floor(rest / size)
    if (count === 0) continue
    rest -= count * size
    words.push(counted(count, name))
  }
  return words.length === 0 ? `${ms} ms` : words.slice(0, 2).join(' ')
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** The milliseconds of `90s`, `15m`, `2h`, `3d` or `250ms`; `undefined` for what is no such text. */
export function durationMs(text: string): number | undefined {
  const [, count, unit] = /^(\d{1,9})(ms|[smhd])$/.exec(text) ?? []
  return count === undefined ? undefined : Number(count) * (UNIT_MS[unit as string] as number)
}
