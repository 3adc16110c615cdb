import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { withProcessLock } from './process-lock.mjs'
import { commandSucceeds, runCommand } from './run-command.ts'

/** Names under which systems install it. */
const COMMANDS = ['chromium', 'chromium-browser', 'google-chrome']

/** The browser to be driven, or in plain words why there is none. */
export type Chromium = { readonly path: string } | { readonly missing: string }

/**
 * Finds Chromium: what CHROMIUM_PATH names, else the installed one, else that of Debian, installed now where this
 * process may do so. Never throws: without a browser everything else can still be tested.
 */
export async function ensureChromium(): Promise<Chromium> {
  const given = process.env.CHROMIUM_PATH
  if (given) return { path: given }
  const installed = await installedChromium()
  if (installed !== undefined) return { path: installed }
  if (userInfo().uid !== 0 || !(await commandSucceeds('apt-get', ['--version']))) {
    return { missing: 'there is no Chromium; install it, or set CHROMIUM_PATH' }
  }
  try {
    const lockFile = join(tmpdir(), 'logout-relay-chromium.lock')
    await withProcessLock(lockFile, () => say('waiting for another process that installs Chromium'), install)
  } catch (error) {
    return { missing: `Chromium could not be installed: ${(error as Error).message}` }
  }
  const path = await installedChromium()
  return path === undefined ? { missing: 'Chromium was installed and cannot be found' } : { path }
}

async function install(): Promise<void> {
  // Another process may have done it while this one waited.
  if ((await installedChromium()) !== undefined) return
  say('installing Chromium by apt-get, once')
  await runCommand('apt-get', ['update', '-qq'])
  const settings = ['DEBIAN_FRONTEND=noninteractive']
  await runCommand('env', [
    ...settings,
    'apt-get',
    'install',
    '-y',
    '-qq',
    '--no-install-recommends',
    'chromium',
  ])
}

async function installedChromium(): Promise<string | undefined> {
  for (const command of COMMANDS) {
    const path = await runCommand('sh', ['-c', `command -v ${command}`]).catch(() => '')
    if (path.trim() !== '') return path.trim()
  }
  return undefined
}

function say(message: string): void {
  process.stderr.write(`test stack: ${message}\n`)
}
