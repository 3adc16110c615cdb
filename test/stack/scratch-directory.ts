import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { leaveLastWill } from './last-will.ts'

export interface ScratchDirectory extends AsyncDisposable {
  readonly path: string
  /** Resolves when the directory is gone. The processes that use it must have ended. Idempotent. */
  remove(): Promise<void>
}

/** A temporary directory that does not outlive this process. */
export function createScratchDirectory(purpose: string): ScratchDirectory {
  const path = join(tmpdir(), `logout-relay-${purpose}-${randomUUID()}`)
  // In this order, so that there is no moment at which it could be left behind.
  const lastWill = leaveLastWill('rm', ['-rf', path])
  mkdirSync(path, { mode: 0o700 })
  const remove = () => lastWill.execute()
  return { path, remove, [Symbol.asyncDispose]: remove }
}
