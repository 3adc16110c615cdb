/** One line of the verdict: `measured` must be at least, or at most, `target`. NaN: it was not measured. */
export interface TargetResult {
  readonly name: string
  readonly measured: number
  readonly bound: 'at least' | 'at most'
  readonly target: number
  readonly unit: string
  readonly reached: boolean
}

export function atLeast(name: string, measured: number, target: number, unit = ''): TargetResult {
  return { name, measured, bound: 'at least', target, unit, reached: measured >= target }
}

export function atMost(name: string, measured: number, target: number, unit = ''): TargetResult {
  return { name, measured, bound: 'at most', target, unit, reached: measured <= target }
}
