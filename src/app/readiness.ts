import type { Finding } from '../diagnosis/finding.ts'
import { codeOf, messageOf } from '../lib/errors.ts'
import type { RepeatedSteps } from '../lib/repeated-steps.ts'
import { describeProgress, type RebuildProgress } from '../recovery/missing-from-log.ts'

export interface ReadinessParts {
  readonly redis: { readonly isUp: boolean }
  readonly guard: { readonly isIntact: boolean }
  readonly checkup: { readonly errors: readonly Finding[] }
  readonly repeats: Pick<RepeatedSteps, 'lasting'>
  readonly stopping: AbortSignal
}

/** What keeps the relay from its work, part by part, for `/readyz` and the status page. */
export class Readiness {
  /** Why a part does not let the relay in, as it said the last time. */
  readonly #refusals = new Map<'kafka' | 'redis', string>()
  #isMember = false
  #rebuilding: RebuildProgress | undefined

  get rebuilding(): RebuildProgress | undefined {
    return this.#rebuilding
  }

  rebuilt(progress: RebuildProgress): void {
    this.#rebuilding = progress
  }

  becameMember(isMember: boolean): void {
    this.#isMember = isMember
    if (isMember) this.#refusals.delete('kafka')
  }

  letIn(part: 'kafka' | 'redis'): void {
    this.#refusals.delete(part)
  }

  /** A part failed; only a refusal is worth more words than that it is away. */
  failed(part: 'kafka' | 'redis', error: unknown): void {
    if (codeOf(error) === 'LR_REFUSED') this.#refusals.set(part, messageOf(error))
    else this.#refusals.delete(part)
  }

  /** By part, with the reason; empty when everything is there. */
  notReady({ redis, guard, checkup, repeats, stopping }: ReadinessParts): Record<string, string> {
    return {
      ...(!redis.isUp && { redis: this.#refusals.get('redis') ?? 'not connected' }),
      ...(!guard.isIntact && { registry: describeProgress(this.#rebuilding) }),
      ...(!this.#isMember && {
        kafka: this.#refusals.get('kafka') ?? 'not a member of the consumer group',
      }),
      ...errorsByCheck(checkup.errors),
      ...repeats.lasting(),
      ...(stopping.aborted && { service: 'stopping' }),
    }
  }
}

/** Several of one check stand behind one another, each with its remedy. */
function errorsByCheck(errors: readonly Finding[]): Record<string, string> {
  const reasons: Record<string, string> = {}
  for (const { check, text, remedy } of errors) {
    const before = reasons[check]
    reasons[check] = `${before === undefined ? '' : `${before}. `}${text}; ${remedy}`
  }
  return reasons
}
