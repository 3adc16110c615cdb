import { join } from 'node:path'
import { createScratchDirectory } from './scratch-directory.ts'
import { startSupervised } from './supervised-process.ts'

/** Runs a program to its end, or to this process's end. Resolves with what it printed; throws when it fails. */
export async function runCommand(command: string, args: readonly string[], cwd?: string): Promise<string> {
  await using scratch = createScratchDirectory('command')
  const logFile = join(scratch.path, 'log')
  const child = await startSupervised({ name: command, command, args, logFile, cwd: cwd ?? scratch.path })
  const status = await child.exitStatus()
  if (status !== 0) throw child.fault(`failed with status ${status}`)
  return child.log()
}

/** Whether the program is there and content. */
export async function commandSucceeds(command: string, args: readonly string[]): Promise<boolean> {
  return runCommand(command, args).then(
    () => true,
    () => false,
  )
}
