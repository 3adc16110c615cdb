import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { runCommand } from '../stack/run-command.ts'

/** The code blocks of a page of docs/, for a test that does what the page says. */
export class PageSteps {
  readonly #blocks: readonly string[]
  /** What the page calls things by, and what the test does. */
  readonly #names: ReadonlyMap<string, string>

  constructor(page: string, names: Readonly<Record<string, string>> = {}) {
    const text = readFileSync(new URL(`../../docs/${page}`, import.meta.url), 'utf8')
    this.#blocks = Array.from(text.matchAll(/^```\w*\n(.*?)^```$/gms), ([, block = '']) => block)
    this.#names = new Map(Object.entries(names))
  }

  /** The block that contains the words, with the test's names in it. Throws unless there is exactly one. */
  block(words: string): string {
    const found = this.#blocks.filter((it) => it.includes(words))
    if (found.length !== 1) throw new Error(`${found.length} blocks of the page have ${words}`)
    let block = found[0] as string
    for (const [name, own] of this.#names) block = block.replaceAll(name, own)
    return block
  }

  /** Runs the commands of a block, in bash. */
  run(words: string, { folder, path, env }: Operator): Promise<string> {
    const settings = Object.entries({ ...env, PATH: [...path, process.env.PATH].join(':') })
    const assignments = settings.map(([name, value]) => `${name}=${value}`)
    return runCommand('env', [...assignments, 'bash', '-euo', 'pipefail', '-c', this.block(words)], folder)
  }
}

export interface Operator {
  readonly folder: string
  /** Folders in which commands are looked for first. */
  readonly path: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

/** A script that is the relay's command. */
export const relayCommandSource = `#!/bin/sh
exec '${process.execPath}' '${fileURLToPath(new URL('../../src/main.ts', import.meta.url))}' "$@"
`
