// Plain Node 18 and no packages, because it also guards the installation of the packages.
import { open, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

const POLL_INTERVAL_MS = 100
const HEARTBEAT_INTERVAL_MS = 1_000
/** Far above the heartbeat, for a machine that was busy or asleep. */
const ABANDONED_AFTER_MS = 30_000

/**
 * Runs `work` while no other process runs work under the same lock file. A holder that was killed does not block the
 * others: the file names its process and is touched every second while that lives. `onWait` is called when the lock
 * is not free at once.
 *
 * @type {import('./process-lock.d.mts').withProcessLock}
 */
export async function withProcessLock(lockFile, onWait, work) {
  for (let waited = false; !(await tryToTake(lockFile)); waited = true) {
    if (!waited) onWait()
    await delay(POLL_INTERVAL_MS)
  }
  const heartbeat = setInterval(() => {
    utimes(lockFile, new Date(), new Date()).catch(() => {})
  }, HEARTBEAT_INTERVAL_MS)
  try {
    return await work()
  } finally {
    clearInterval(heartbeat)
    await rm(lockFile, { force: true })
  }
}

async function tryToTake(lockFile) {
  try {
    const file = await open(lockFile, 'wx')
    await file.writeFile(String(process.pid))
    await file.close()
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
  }
  if (await isAbandoned(lockFile)) {
    // Of several waiters only one can rename it, and all of them then compete for a new one. Whoever is slower than
    // that whole contest could remove the winner's file; users of this lock bear that, at the price of doubled work.
    const grave = `${lockFile}.${process.pid}`
    await rename(lockFile, grave).catch(() => {})
    await rm(grave, { force: true })
  }
  return false
}

async function isAbandoned(lockFile) {
  try {
    const holder = Number(await readFile(lockFile, 'utf8'))
    const { mtimeMs } = await stat(lockFile)
    if (Date.now() - mtimeMs > ABANDONED_AFTER_MS) return true
    // The holder writes its process id a moment after it made the file.
    return holder > 0 && !isAlive(holder)
  } catch {
    return false
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code !== 'ESRCH'
  }
}
