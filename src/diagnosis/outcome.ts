import type { Observation } from './observation.ts'

/** What a run of the doctor comes to, worst first in the order of what must be mended first. */
export type Outcome = 'misconfigured' | 'unreachable' | 'problem' | 'well'

export function outcomeOf(observations: readonly Observation[]): Outcome {
  const problems = observations.filter(({ status }) => status === 'problem')
  if (problems.some(({ area }) => area === 'configuration')) return 'misconfigured'
  const isReach = ({ check }: Observation) => check === 'kafka-reachable' || check === 'redis-reachable'
  if (problems.some(isReach)) return 'unreachable'
  return problems.length > 0 ? 'problem' : 'well'
}

/** Such as `12 ok, 1 warning, 2 problems`; what there is none of is left out. */
export function summaryOf(observations: readonly Observation[]): string {
  const counted = (['ok', 'hint', 'warning', 'problem', 'unknown'] as const).flatMap((status) => {
    const count = observations.filter((it) => it.status === status).length
    const isCountable = status !== 'ok' && status !== 'unknown'
    return count === 0 ? [] : [`${count} ${status}${isCountable && count > 1 ? 's' : ''}`]
  })
  return counted.join(', ')
}
