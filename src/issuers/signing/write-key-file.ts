import { randomBytes } from 'node:crypto'
import { type FileHandle, open, realpath, rename, rm } from 'node:fs/promises'
import { codeOf, RelayFault } from '../../lib/errors.ts'

const PRIVATE_MODE = 0o600

/** Makes a file that its owner alone may read, from its first byte on. Throws `LR_USAGE` when there is one already. */
export async function createKeyFile(path: string, text: string): Promise<void> {
  try {
    await writeNew(path, text)
  } catch (error) {
    throw unwritable(path, error)
  }
}

/**
 * Replaces a file at once: a reader sees the former or the new text. Mode and owner stay, and a link stays a link. `change`
 * gets the content and returns the text. Throws `LR_USAGE` when the file cannot be written or somebody else is changing it,
 * and what `change` throws.
 */
export async function replaceKeyFile(
  path: string,
  change: (content: Buffer) => Promise<string>,
): Promise<void> {
  let target: string
  try {
    target = await realpath(path)
  } catch (error) {
    throw unwritable(path, error)
  }
  await using former = await opened(target)
  const { mode, uid, gid } = await former.stat()
  const content = await former.readFile()
  const text = await change(content)
  const temporary = `${target}.${randomBytes(6).toString('hex')}.new`
  try {
    await writeNew(temporary, text, async (file) => {
      const own = await file.stat()
      if (own.uid !== uid || own.gid !== gid) await file.chown(uid, gid)
      await file.chmod(mode & 0o777)
    })
    await using now = await open(target)
    if (!(await now.readFile()).equals(content)) {
      throw new RelayFault('LR_USAGE', `${path}: somebody else has changed it meanwhile; try again`)
    }
    await rename(temporary, target)
  } catch (error) {
    await rm(temporary, { force: true })
    throw unwritable(path, error)
  }
}

async function opened(path: string): Promise<FileHandle> {
  try {
    return await open(path)
  } catch (error) {
    throw unwritable(path, error)
  }
}

/** What could not be written to its end is taken away. */
async function writeNew(
  path: string,
  text: string,
  finish: (file: FileHandle) => Promise<void> = async () => undefined,
): Promise<void> {
  const file = await open(path, 'wx', PRIVATE_MODE)
  try {
    await file.writeFile(text)
    await finish(file)
    await file.sync()
  } catch (error) {
    await rm(path, { force: true })
    throw error
  } finally {
    await file.close()
  }
}

function unwritable(path: string, error: unknown): RelayFault {
  if (error instanceof RelayFault) return error
  const code = codeOf(error)
  const why =
    code === 'EEXIST'
      ? 'is there already, and is not overwritten; "logout-relay keys rotate" adds a key to it'
      : code === 'EROFS'
        ? 'is mounted read-only; change a copy of it with --file, and replace what it is mounted from'
        : `cannot be written (${code ?? 'unknown error'})`
  return new RelayFault('LR_USAGE', `${path}: ${why}`, { cause: error })
}
