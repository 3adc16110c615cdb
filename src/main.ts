#!/usr/bin/env node
import { exitCodeOf, reportFault } from './cli/fault.ts'
import { commandNamed, createProgram } from './cli/program.ts'

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
