import { chmod, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type CachedItem, cached, isCached } from './download-cache.ts'
import { commandSucceeds, runCommand } from './run-command.ts'
import { createScratchDirectory } from './scratch-directory.ts'

export interface PrometheusBinaries {
  readonly prometheus: string
  readonly promtool: string
}

const item: CachedItem = {
  name: `prometheus-${process.platform}-${process.arch}`,
  preparation: "fetching Prometheus (19 MB) from Debian's packages",
  async fill(directory) {
    await using scratch = createScratchDirectory('prometheus')
    await download(scratch.path)
    const archive = (await readdir(scratch.path)).find((name) => name.endsWith('.deb'))
    if (archive === undefined) throw new Error('apt-get download left no package')
    await runCommand('dpkg', ['-x', archive, 'root'], scratch.path)
    for (const name of ['prometheus', 'promtool']) {
      const binary = join(scratch.path, 'root/usr/bin', name)
      await chmod(binary, 0o755)
      await runCommand('cp', [binary, directory])
    }
  },
}

/**
 * The installed Prometheus and promtool, else those of Debian's package, unpacked into the cache and never installed.
 * Where there is neither, the reason as one sentence.
 */
export async function prometheusBinaries(): Promise<PrometheusBinaries | { readonly missing: string }> {
  if (await areInstalled()) return { prometheus: 'prometheus', promtool: 'promtool' }
  try {
    if (!isCached(item) && !(await commandSucceeds('dpkg', ['--version']))) {
      return { missing: 'neither Prometheus nor dpkg is installed; install prometheus and promtool' }
    }
    const directory = await cached(item)
    return { prometheus: join(directory, 'prometheus'), promtool: join(directory, 'promtool') }
  } catch (error) {
    const [firstLine] = String((error as Error).message).split('\n', 1)
    return { missing: `Prometheus is not installed and could not be fetched (${firstLine}); install it` }
  }
}

async function areInstalled(): Promise<boolean> {
  return (
    (await commandSucceeds('prometheus', ['--version'])) && (await commandSucceeds('promtool', ['--version']))
  )
}

/** With the system's lists of packages, and where they are missing or old with new ones of its own. */
async function download(directory: string): Promise<void> {
  if (await runsIn(directory, ['download', 'prometheus'])) return
  const lists = join(directory, 'apt')
  await mkdir(join(lists, 'lists/partial'), { recursive: true })
  const own = ['-o', `Dir::State::Lists=${join(lists, 'lists')}`, '-o', `Dir::Cache=${lists}`]
  await runCommand('apt-get', [...own, 'update'], directory)
  await runCommand('apt-get', [...own, 'download', 'prometheus'], directory)
}

function runsIn(directory: string, args: readonly string[]): Promise<boolean> {
  return runCommand('apt-get', args, directory).then(
    () => true,
    () => false,
  )
}
