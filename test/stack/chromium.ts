import { execFile } from 'node:child_process'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { withProcessLock } from './process-lock.mjs'

/** The browser to be driven, or in plain words why there is none. */
export type Chromium = { readonly path: string } | { readonly missing: string }

/** Names under which systems install it. */
const COMMANDS = ['chromium', 'chromium-browser', 'google-chrome']

/**
 * Finds Chromium: what CHROMIUM_PATH names, else the installed one, else that of Debian, installed now where this
 * process may do so. Never throws: without a browser everything else can still be tested.
 */
export async function ensureChromium(): Promise<Chromium> {
  const given = process.env.CHROMIUM_PATH || (await installedChromium())
  if (given !== undefined) return { path: given }
  if (userInfo().uid !== 0 || !(await succeeds('apt-get', '--version'))) {
    return { missing: 'there is no Chromium: install it, or set CHROMIUM_PATH' }
  }
  try {
    const lockFile = join(tmpdir(), 'logout-relay-chromium.lock')
    await withProcessLock(lockFile, () => say('waiting for another process that installs Chromium'), install)
  } catch (error) {
    return { missing: `Chromium could not be installed: ${(error as Error).message}` }
  }
  const path = await installedChromium()
  return path === undefined ? { missing: 'Chromium was installed, but is not on the path' } : { path }
}

/** Without a supervisor: an installation that is killed half-way leaves a system that installs nothing any more. */
const run = promisify(execFile)

async function install(): Promise<void> {
  // Another process may have done it while this one waited.
  if ((await installedChromium()) !== undefined) return
  say('installing Chromium by apt-get, once')
  await run('apt-get', ['update', '-qq'])
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const options = { env, maxBuffer: 64 * 1_024 * 1_024 }
  await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium'], options)
}

async function installedChromium(): Promise<string | undefined> {
  for (const command of COMMANDS) {
    const found = await run('sh', ['-c', 'command -v "$1"', 'sh', command]).catch(() => undefined)
    if (found !== undefined) return found.stdout.trim()
  }
  return undefined
}

async function succeeds(command: string, argument: string): Promise<boolean> {
  return run(command, [argument]).then(
    () => true,
    () => false,
  )
}

function say(message: string): void {
  process.stderr.write(`test stack: ${message}\n`)
}
