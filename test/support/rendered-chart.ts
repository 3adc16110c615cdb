import { execFile } from 'node:child_process'
import { cp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { parse, parseAllDocuments } from 'yaml'
import { createScratchDirectory } from '../stack/scratch-directory.ts'
import { chartDirectory } from './chart-files.ts'

const run = promisify(execFile)

export interface KubernetesObject {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly labels: Record<string, string> }
  // biome-ignore lint/suspicious/noExplicitAny: objects of many kinds, whose fields the tests name.
  readonly [field: string]: any
}

/** The chart as `helm` sees it; `args` are those of the command line, such as `--set`. */
export class RenderedChart {
  readonly #helm: string
  readonly #chart = fileURLToPath(chartDirectory)

  constructor(helm: string) {
    this.#helm = helm
  }

  /** Rejects, with what is wrong, when there are errors or warnings. */
  async lint(...args: string[]): Promise<void> {
    await run(this.#helm, ['lint', '--strict', '--quiet', this.#chart, ...args])
  }

  /** The objects of a release called `test`. Rejects with what the schema or a template refuses. */
  async render(...args: string[]): Promise<KubernetesObject[]> {
    const options = { maxBuffer: 16 * 1_024 * 1_024 }
    const { stdout } = await run(this.#helm, ['template', 'test', this.#chart, ...args], options)
    // Kubernetes reads YAML 1.1, in which 0440 is octal.
    return parseAllDocuments(stdout, { version: '1.1' })
      .map((document) => document.toJSON() as KubernetesObject | null)
      .filter((object) => object !== null)
  }

  /** What a release called `test` says when it is installed. Helm itself says it only to who has a cluster. */
  async notes(...args: string[]): Promise<string> {
    const scratch = createScratchDirectory('chart')
    try {
      const chart = join(scratch.path, 'chart')
      await cp(this.#chart, chart, { recursive: true })
      const notes = '{{ include (print $.Template.BasePath "/NOTES.txt") . | quote }}'
      await writeFile(join(chart, 'templates/notes.yaml'), `notes: ${notes}\n`)
      const command = ['template', 'test', chart, '--show-only', 'templates/notes.yaml', ...args]
      const { stdout } = await run(this.#helm, command)
      return (parse(stdout) as { notes: string }).notes
    } finally {
      await scratch.remove()
    }
  }

  /** The arguments for a file of `ci/`. */
  values(name: string): string[] {
    return ['--values', fileURLToPath(new URL(`ci/${name}-values.yaml`, chartDirectory))]
  }
}
