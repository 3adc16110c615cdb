#!/usr/bin/env node
import './runtime/required-node.mjs'

// Not before that is certain: an old Node.js fails at some import of theirs.
const { exitCodeOf, reportFault } = await import('./cli/fault.ts')
const { commandNamed, createProgram } = await import('./cli/program.ts')

try {
  const program = await createProgram(commandNamed(process.argv.slice(2)))
  await program.parseAsync()
  // What goes to a socket, as to a program that started this one, is still on its way.
  await new Promise((done) => process.stdout.write('', done))
  // What a library still holds open must not keep a stopped service alive.
  process.exit(process.exitCode ?? 0)
} catch (error) {
  reportFault(error)
  process.exit(exitCodeOf(error))
}
