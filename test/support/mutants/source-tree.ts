import { access, cp, readFile, symlink, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { createScratchDirectory, type ScratchDirectory } from '../../stack/scratch-directory.ts'
import type { Mutant } from './mutants.ts'

const NOT_COPIED = new Set(['node_modules', '.git'])

/** The sources and tests of this repository, or a copy of them to put slips into. */
export class SourceTree implements AsyncDisposable {
  readonly path: string
  readonly #scratch: ScratchDirectory | undefined

  constructor(path: string, scratch?: ScratchDirectory) {
    this.path = path
    this.#scratch = scratch
  }

  /** The packages are shared: a copy of them would take longer than the tests. */
  static async copyOf(root: string): Promise<SourceTree> {
    const scratch = createScratchDirectory('mutants')
    await cp(root, scratch.path, { recursive: true, filter: (path) => !NOT_COPIED.has(basename(path)) })
    await symlink(join(root, 'node_modules'), join(scratch.path, 'node_modules'))
    return new SourceTree(scratch.path, scratch)
  }

  /** Throws when a mutant does not find its place: it would be seen, or not, for the wrong reason. */
  async expectAll(mutants: readonly Mutant[]): Promise<void> {
    for (const test of new Set(mutants.flatMap(({ tests }) => tests))) await access(join(this.path, test))
    const texts = await Promise.all(mutants.map(({ file }) => this.#read(file)))
    const lost = mutants.flatMap((mutant, i) => {
      const count = (texts[i] ?? '').split(mutant.find).length - 1
      if (count === 1 && mutant.put !== mutant.find) return []
      return [`${mutant.file}: ${mutant.name}: its fragment stands there ${count} times:\n    ${mutant.find}`]
    })
    if (lost.length > 0) throw new Error(`${lost.length} mutants do not fit the sources\n${lost.join('\n')}`)
  }

  /** Puts a mutant in; the result takes it out again. */
  async put({ file, find, put }: Mutant): Promise<() => Promise<void>> {
    const path = join(this.path, file)
    const text = await readFile(path, 'utf8')
    // Not by a string: `$&` and the like would mean something.
    await writeFile(
      path,
      text.replace(find, () => put),
    )
    return () => writeFile(path, text)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scratch?.remove()
  }

  #read(file: string): Promise<string> {
    return readFile(join(this.path, file), 'utf8').catch(() => '')
  }
}
