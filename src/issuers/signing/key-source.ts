import { open, readdir, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { codeOf, messageOf, RelayFault } from '../../lib/errors.ts'

/** Where the keys of an issuer may be read. Links are followed only where there are bounds. */
export interface KeyBounds {
  /** The path is that of a directory, whose files are read as one. */
  readonly isDirectory?: boolean
  /** The keys must lie in it; anywhere when it is missing. */
  readonly folder?: string | undefined
  /** Another issuer whose key file that is. Asked of each new content, and again when `owners` is another object. */
  readonly otherOwner?: (realPath: string) => Promise<string | undefined>
  readonly owners?: () => object
}

export interface SourceFile {
  /** Within its directory; missing where there is one file alone. */
  readonly name?: string
  /** With all links followed, where there are bounds. */
  readonly path: string
  readonly content: Buffer
}

export interface KeySource {
  /** At least one, in the order of their names. */
  readonly files: readonly SourceFile[]
  /** Permissions as in `stat`: whatever any of the files allows. */
  readonly mode: number
}

/** What a directory may hold beside keys, such as certificates, is passed over. */
const KEY_FILE = /^[^.].*\.(json|jwks?|pem|key)$/
const FILES_MAX = 100
export const OUTSIDE = 'it lies outside the folder of the issuers file'

/** Reads the file, or all key files of the directory. Throws `LR_KEYS_INVALID` when any of them cannot be read. */
export async function readKeySource(path: string, { isDirectory, folder }: KeyBounds): Promise<KeySource> {
  try {
    const real = folder === undefined ? path : await within(folder, path)
    const names = isDirectory === true ? await keyFilesIn(real) : [undefined]
    let mode = 0
    const files: SourceFile[] = []
    for (const name of names) {
      const file = name === undefined ? real : await fileIn(real, name, folder)
      await using opened = await open(file)
      mode |= (await opened.stat()).mode
      files.push({ path: file, content: await opened.readFile(), ...(name !== undefined && { name }) })
    }
    return { files, mode }
  } catch (error) {
    const what = isDirectory === true ? 'the directory of signing keys' : 'the signing key file'
    throw new RelayFault('LR_KEYS_INVALID', `${what} cannot be read: ${messageOf(error)}`)
  }
}

/** Whether its links lead out of that folder. False for what is not there. */
export async function leadsOutside(path: string, folder: string): Promise<boolean> {
  try {
    await within(folder, path)
    return false
  } catch (error) {
    return codeOf(error) === undefined
  }
}

/** A link that leads out of the folder would sign with the keys of somebody else. */
async function within(folder: string, path: string): Promise<string> {
  const [real, bound] = await Promise.all([realpath(path), realpath(folder)])
  if (real.startsWith(`${bound}${sep}`)) return real
  throw new Error(OUTSIDE)
}

async function keyFilesIn(directory: string): Promise<string[]> {
  const names = (await readdir(directory)).filter((name) => KEY_FILE.test(name)).sort()
  if (names.length === 0) throw new Error('it has no *.json, *.jwk, *.jwks, *.pem or *.key in it')
  if (names.length > FILES_MAX) throw new Error(`it has more than ${FILES_MAX} key files`)
  return names
}

async function fileIn(directory: string, name: string, folder: string | undefined): Promise<string> {
  const path = join(directory, name)
  try {
    return folder === undefined ? path : await within(folder, path)
  } catch (error) {
    throw new Error(`${name}: ${codeOf(error) ?? messageOf(error)}`, { cause: error })
  }
}
