import { createInterface } from 'node:readline/promises'
import { RelayFault } from '../lib/errors.ts'
import { printable } from '../lib/printable.ts'

interface Person {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean }
  readonly output: NodeJS.WritableStream
}

/**
 * Whether somebody agrees to what cannot be undone: by `--yes`, or when asked on a terminal. Throws `LR_USAGE` where
 * nobody can be asked, so that a script never waits.
 */
export async function confirm(
  question: string,
  hasAgreed: boolean | undefined,
  { input, output }: Person = { input: process.stdin, output: process.stderr },
): Promise<boolean> {
  if (hasAgreed === true) return true
  if (input.isTTY !== true) {
    throw new RelayFault('LR_USAGE', `--yes: is required without a terminal. ${question}`)
  }
  const terminal = createInterface({ input, output })
  try {
    // The end of the input is no answer, and so a no.
    const closed = new Promise<string>((resolve) => terminal.once('close', () => resolve('')))
    const answer = await Promise.race([terminal.question(`${printable(question)} [y/N] `), closed])
    return /^y(es)?$/i.test(answer.trim())
  } finally {
    terminal.close()
  }
}
