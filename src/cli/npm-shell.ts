import { isStartedByNpm } from '../config/env.ts'

const LOOK_EVERY_MS = 500

/**
 * Calls `onGone` once when the shell that npm has put between itself and this process is gone. npm hands SIGTERM to that
 * shell; where it is dash, it dies of it and tells nobody, and the service would be left behind. Does nothing for a
 * process that npm has not started.
 */
export function watchNpmShell(onGone: () => void): void {
  if (!isStartedByNpm()) return
  const shell = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === shell) return
    clearInterval(timer)
    onGone()
  }, LOOK_EVERY_MS)
  timer.unref()
}
