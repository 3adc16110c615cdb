import { sectionOf } from '../support/pages.ts'

/** Code that tells the operator what to run, or what to look at. */
const INSTRUCTION = /^(logout-relay|curl|redis-cli) |^logout_relay_|^"(msg|part)":/

/** A section of the runbook. A drill does only what stands there, and must have done all of it. */
export class RunbookSection {
  readonly #name: string
  readonly #instructions: ReadonlySet<string>
  readonly #left: Set<string>

  /** Throws when the runbook has no such section. */
  constructor(name: string) {
    const text = sectionOf('docs/runbook.md', name)
    const code = [...text.matchAll(/`([^`]+)`/g)].map(([, span = '']) => span.replaceAll(/\s+/g, ' '))
    this.#name = name
    this.#instructions = new Set(code.filter((span) => INSTRUCTION.test(span)))
    this.#left = new Set(this.#instructions)
  }

  /** Hands back an instruction of the section, word for word. Throws when it is none. */
  follow(instruction: string): string {
    if (!this.#instructions.has(instruction)) {
      throw new Error(
        `${this.#name} does not say \`${instruction}\`, but: ${[...this.#instructions].join(' | ')}`,
      )
    }
    this.#left.delete(instruction)
    return instruction
  }

  /** The instructions that were not followed. */
  get left(): string[] {
    return [...this.#left]
  }
}
