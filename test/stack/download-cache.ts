import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { withProcessLock } from './process-lock.mjs'

export interface CachedItem {
  /** Name of the directory; carries whatever a different content depends on, such as a version. */
  readonly name: string
  /** What filling it means, for people. */
  readonly preparation: string
  /** Puts the content into an empty directory; a failure leaves nothing in the cache. */
  fill(directory: string): Promise<void>
}

/** The user's, not the project's: it is shared by all clones and survives each of them. */
function cacheDirectory(): string {
  const base = process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
  return join(base, 'logout-relay', 'stack')
}

export function isCached({ name }: CachedItem): boolean {
  return existsSync(join(cacheDirectory(), name))
}

/** Ends, never with a failure, when all that this process has begun to fill so far is filled. */
let earlierFilling: Promise<unknown> = Promise.resolve()

/** The directory of the item, filled now if it was not yet. A directory that is there is complete. */
export async function cached(item: CachedItem): Promise<string> {
  const cache = cacheDirectory()
  const directory = join(cache, item.name)
  if (isCached(item)) return directory
  await mkdir(cache, { recursive: true })
  // One lock for all items, because Maven's own repository does not bear two first downloads at once.
  const filled = earlierFilling.then(() =>
    withProcessLock(join(cache, 'lock'), sayWaiting, () => fill(item, cache, directory)),
  )
  earlierFilling = filled.catch(() => {})
  await filled
  return directory
}

async function fill(item: CachedItem, cache: string, directory: string): Promise<void> {
  // Another process may have filled it while this one waited for the lock.
  if (isCached(item)) return
  say(`${item.preparation}, once, into ${directory}`)
  const partial = await emptyPartialDirectory(cache, item.name)
  try {
    await item.fill(partial)
    await rename(partial, directory)
  } finally {
    await rm(partial, { recursive: true, force: true })
  }
}

async function emptyPartialDirectory(cache: string, name: string): Promise<string> {
  // Left by fillers that were killed: nobody else is filling, since we hold the lock.
  const isLeftover = (entry: string) => entry.startsWith(`${name}.partial-`)
  for (const entry of (await readdir(cache)).filter(isLeftover)) {
    await rm(join(cache, entry), { recursive: true, force: true })
  }
  return mkdtemp(join(cache, `${name}.partial-`))
}

function sayWaiting(): void {
  say('waiting for another process that fills the download cache')
}

/** Standard output belongs to whatever uses the stack. */
function say(message: string): void {
  process.stderr.write(`test stack: ${message}\n`)
}
