import { goesOnDespite } from '../diagnosis/checkup.ts'
import { type Finding, textOf } from '../diagnosis/finding.ts'
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
  /** What Kafka failed with the last time, so that nothing else need keep the relay out of the group. */
  #kafkaFault: string | undefined
  #isMember = false
  #rebuilding: RebuildProgress | undefined

  get rebuilding(): RebuildProgress | undefined {
    return this.#rebuilding
  }

  rebuilt(progress: RebuildProgress): void {
    this.#rebuilding = progress
    // It reads.
    this.#kafkaFault = undefined
  }

  becameMember(isMember: boolean): void {
    this.#isMember = isMember
    if (isMember) this.letIn('kafka')
  }

  letIn(part: 'kafka' | 'redis'): void {
    this.#refusals.delete(part)
    if (part === 'kafka') this.#kafkaFault = undefined
  }

  /** A part failed; only a refusal is worth more words than that it is away. */
  failed(part: 'kafka' | 'redis', error: unknown): void {
    const code = codeOf(error)
    if (code === 'LR_REFUSED') this.#refusals.set(part, messageOf(error))
    else this.#refusals.delete(part)
    // A member reads on. Where a topic is missing Kafka answers, and the checks tell which.
    if (part === 'kafka' && !this.#isMember)
      this.#kafkaFault = code === 'LR_TOPIC_MISSING' ? undefined : messageOf(error)
  }

  /**
   * By part, with the reason; empty when everything is there. In the order of causes: without Redis nothing else can be known,
   * an error of a check keeps the registry from being proved, and who has not proved it does not join the group.
   */
  notReady({ redis, guard, checkup, repeats, stopping }: ReadinessParts): Record<string, string> {
    const registry = !guard.isIntact && { registry: describeProgress(this.#rebuilding) }
    const kafka = !this.#isMember && { kafka: this.#refusals.get('kafka') ?? this.#noMember() }
    const errors = checkup.errors.toSorted((a, b) => rank(a) - rank(b))
    return {
      ...(stopping.aborted && { service: 'stopping' }),
      ...(!redis.isUp && { redis: this.#refusals.get('redis') ?? 'not connected' }),
      ...(this.#kafkaFault !== undefined && kafka),
      ...errorsByCheck(errors),
      ...registry,
      ...kafka,
      ...repeats.lasting(),
    }
  }

  #noMember(): string {
    const why = this.#kafkaFault === undefined ? '' : `: ${this.#kafkaFault}`
    return `not a member of the consumer group${why}`
  }
}

/** Those that hold everything up come first. */
function rank({ check }: Finding): number {
  return goesOnDespite.has(check) ? 1 : 0
}

/** Several of one check stand behind one another, each with its remedy. */
function errorsByCheck(errors: readonly Finding[]): Record<string, string> {
  const reasons: Record<string, string> = {}
  for (const finding of errors) {
    const { check, remedy } = finding
    const before = reasons[check]
    reasons[check] = `${before === undefined ? '' : `${before}. `}${textOf(finding)}; ${remedy}`
  }
  return reasons
}
