import { CommanderError } from 'commander'
import { codeOf, messageOf } from '../lib/errors.ts'
import { EXIT_CODE } from './exit-code.ts'
import { errorLine } from './output.ts'

/** Codes of faults that the operator corrects by changing what was given; they need no stack. */
const OPERATOR_FAULTS: Readonly<Record<string, number>> = {
  LR_CONFIG_INVALID: EXIT_CODE.usage,
  LR_ISSUERS_INVALID: EXIT_CODE.usage,
  LR_MAPPING_INVALID: EXIT_CODE.usage,
  LR_INTAKE_INVALID: EXIT_CODE.usage,
  LR_KEYS_INVALID: EXIT_CODE.usage,
  LR_USAGE: EXIT_CODE.usage,
  LR_UNREACHABLE: EXIT_CODE.unreachable,
  // The connection was lost after it had been made.
  LR_UNAVAILABLE: EXIT_CODE.unreachable,
  LR_TOPIC_MISSING: EXIT_CODE.failed,
  LR_REGISTRY_LOST: EXIT_CODE.failed,
  LR_REFUSED: EXIT_CODE.failed,
  EADDRINUSE: EXIT_CODE.failed,
  EADDRNOTAVAIL: EXIT_CODE.failed,
  EAFNOSUPPORT: EXIT_CODE.failed,
  EACCES: EXIT_CODE.failed,
}

/** Says on standard error why a command ended; with a stack where the fault is the program's own. */
export function reportFault(error: unknown): void {
  // Commander has said it already, with a suggestion.
  if (error instanceof CommanderError) return
  const isOperators = OPERATOR_FAULTS[codeOf(error) ?? ''] !== undefined
  const text = !isOperators && error instanceof Error ? (error.stack ?? error.message) : messageOf(error)
  process.stderr.write(errorLine(text, process.stderr))
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_CODE.ok : EXIT_CODE.usage
  return OPERATOR_FAULTS[codeOf(error) ?? ''] ?? EXIT_CODE.failed
}
