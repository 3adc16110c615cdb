import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { withProcessLock } from './process-lock.mjs'

/**
 * Runs `npm ci` in the project, unless another process has just done that. What npm prints is shown only when it
 * fails; then this process will end with status 1.
 *
 * @param {URL} root
 * @param {() => boolean} isInstalled
 */
export async function installPackages(root, isInstalled) {
  await withProcessLock(lockFileOf(root), sayWaiting, async () => {
    if (isInstalled()) return
    say('installing the packages (npm ci)')
    const { status, output } = await runNpmCi(root)
    if (status === 0) return
    say(`${output}npm ci failed, see above`)
    process.exitCode = 1
  })
}

/** @param {URL} root */
async function runNpmCi(root) {
  // The same process group, so that Ctrl-C reaches npm as well.
  const npm = spawn('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [npm.stdout, npm.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text
    })
  }
  npm.on('error', (error) => {
    output += `npm cannot be started: ${error.message}\n`
  })
  const [status] = await once(npm, 'close')
  return { status, output }
}

/**
 * Not in the project, where a killed installation would leave it behind, and not in node_modules, which npm removes.
 *
 * @param {URL} root
 */
function lockFileOf(root) {
  const project = createHash('sha256').update(root.href).digest('hex').slice(0, 12)
  return join(tmpdir(), `logout-relay-packages-${userInfo().uid}-${project}.lock`)
}

function sayWaiting() {
  say('another process is installing the packages, waiting for it')
}

/** @param {string} message */
function say(message) {
  process.stderr.write(`${message}\n`)
}
