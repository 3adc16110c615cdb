#!/usr/bin/env node
import { createProgram } from './cli/program.ts'
import { codeOf, messageOf } from './errors.ts'

/** Codes of faults that the operator mends by changing what was given; they need no stack. */
const OPERATOR_FAULTS = new Set(['LR_CONFIG_INVALID', 'LR_KEYS_INVALID', 'EADDRINUSE', 'EACCES'])

try {
  await createProgram().parseAsync()
  // What a library still holds open must not keep a stopped service alive.
  process.exit(process.exitCode ?? 0)
} catch (error) {
  const isOperators = OPERATOR_FAULTS.has(codeOf(error) ?? '')
  const text = isOperators
    ? messageOf(error)
    : error instanceof Error
      ? (error.stack ?? error.message)
      : String(error)
  process.stderr.write(`logout-relay: ${text}\n`)
  process.exit(codeOf(error) === 'LR_CONFIG_INVALID' ? 2 : 1)
}
