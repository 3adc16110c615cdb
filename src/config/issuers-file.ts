import { createHash } from 'node:crypto'
import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { type IssuerSettings, IssuersFault } from '../issuers/issuer-settings.ts'
import { codeOf, RelayFault } from '../lib/errors.ts'
import { type FileProblem, pathText, placedIn, problemLines, shownName } from './document-problems.ts'
import { issuerConflicts } from './issuer-conflicts.ts'
import { keysFileOf } from './issuer-keys.ts'
import { type IssuerEntry, issuerSettings, parseIssuers } from './issuers-schema.ts'
import type { Conflict, PlacedEntry } from './placed-entry.ts'
import { readLongYaml } from './quick-yaml.ts'
import type { YamlDocument } from './yaml-document.ts'

export interface IssuersFile {
  readonly settings: readonly IssuerSettings[]
  /** Of the names and bytes of all files: as long as it is the same, so are the settings. */
  readonly contentHash: string
}

const BYTES_MAX = 64 * 1_024 * 1_024
/** A mounted directory is exchanged as a whole, now and then just while it is read. */
const TRIES_MAX = 5
const EXCHANGE_MS = 10

interface SourceFile {
  /** As the user would name it. */
  readonly name: string
  readonly bytes: Buffer
}

interface Document extends YamlDocument {
  readonly file: string
}

interface Entry extends PlacedEntry {
  readonly document: Document
  /** Missing where a value of it is wrong. */
  readonly parsed: IssuerEntry | undefined
}

/**
 * Reads what is said of issuers in a file of YAML or JSON, or in all such files of a directory. Throws `LR_ISSUERS_INVALID`
 * with a line per problem. Of values only names are quoted. Key files are not looked at.
 */
export async function readIssuersFile(path: string): Promise<IssuersFile> {
  const { folder, files } = await readSources(path)
  const problems: FileProblem[] = []
  const entries: Entry[] = []
  for (const { name: file, bytes } of files) {
    const text = textOf(bytes)
    if (text === undefined) {
      problems.push({ file, text: 'is not text in UTF-8' })
      continue
    }
    const document: Document = Object.assign(await readLongYaml(text), { file })
    problems.push(...document.problems.map((it) => ({ file, ...it })))
    if (document.problems.length > 0) continue
    const parsed = parseIssuers(document.value)
    entries.push(...entriesOf(document, folder, parsed.entries))
    problems.push(...parsed.problems.map((it) => placedIn(document, file, it)))
  }
  const conflicts = issuerConflicts(entries)
  problems.push(...conflictProblems(conflicts))
  if (problems.length === 0) return { settings: entries.flatMap(settingsOf), contentHash: hashOf(files) }
  const disputed = new Set(conflicts.flatMap(({ of, other }) => [of, other?.of]))
  throw faultOf(problems, { sound: entries.filter((it) => !disputed.has(it)).flatMap(settingsOf) })
}

function settingsOf({ document, folder, parsed, path }: Entry): IssuerSettings[] {
  if (parsed === undefined) return []
  const { file, directory } = parsed.keys
  const keysFile = keysFileOf(file ?? directory ?? '', folder)
  const place = `${document.file}:${document.lineOf([...path, 'keys'], 'key')}`
  return [issuerSettings(parsed, { keysFile, keysFolder: folder, place })]
}

/** The `contentHash` of what is there now, at less cost, to see whether it changed. Throws as `readIssuersFile`. */
export async function issuersContentHash(path: string): Promise<string> {
  return hashOf((await readSources(path)).files)
}

async function readSources(path: string): Promise<{ folder: string; files: SourceFile[] }> {
  try {
    const isDirectory = (await stat(path)).isDirectory()
    const folder = isDirectory ? resolve(path) : dirname(resolve(path))
    return { folder, files: isDirectory ? await readDirectory(path) : await readAll([path]) }
  } catch (error) {
    throw unreadable(path, error)
  }
}

async function readDirectory(directory: string): Promise<SourceFile[]> {
  for (let i = 1; ; i++) {
    let listed: Map<string, string>
    try {
      listed = await listDirectory(directory)
    } catch (error) {
      // A link may lead nowhere while the directory is exchanged.
      if (i === TRIES_MAX) throw error
      await setTimeout(EXCHANGE_MS)
      continue
    }
    if (listed.size === 0) throw faultOf([{ file: directory, text: 'has no *.yaml, *.yml or *.json in it' }])
    let files: SourceFile[] | undefined
    let fault: unknown
    try {
      files = await readAll([...listed.values()])
    } catch (error) {
      fault = error
    }
    const now = await listDirectory(directory).catch(() => new Map<string, string>())
    const isSame = [...listed.keys()].join('\0') === [...now.keys()].join('\0')
    if (files !== undefined && isSame) return files
    if (i === TRIES_MAX || isSame)
      throw fault ?? faultOf([{ file: directory, text: 'changes while it is read' }])
  }
}

/** By where they lead to, as Kubernetes mounts a ConfigMap as links, and somebody may link to a file beside it. */
async function listDirectory(directory: string): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  for (const name of (await readdir(directory)).sort()) {
    if (name.startsWith('.') || !/\.(ya?ml|json)$/.test(name)) continue
    const file = join(directory, name)
    try {
      const target = await realpath(file)
      if (!files.has(target) && !(await stat(target)).isDirectory()) files.set(target, file)
    } catch (error) {
      throw unreadable(file, error)
    }
  }
  return files
}

async function readAll(names: readonly string[]): Promise<SourceFile[]> {
  const files: SourceFile[] = []
  let left = BYTES_MAX
  for (const name of names) {
    try {
      const about = await stat(name)
      // It is read again and again, and what is read from a pipe is gone.
      if (!about.isFile()) throw faultOf([{ file: name, text: 'is not a file' }])
      const bytes = about.size > left ? undefined : await readFile(name)
      left -= bytes?.length ?? Infinity
      if (bytes === undefined || left < 0)
        throw faultOf([{ file: name, text: 'is beyond 64 MB, all files together' }])
      files.push({ name, bytes })
    } catch (error) {
      throw unreadable(name, error)
    }
  }
  return files
}

function unreadable(file: string, error: unknown): unknown {
  if (error instanceof RelayFault) return error
  return faultOf([{ file, text: `cannot be read (${codeOf(error)})` }], { cause: error })
}

function hashOf(files: readonly SourceFile[]): string {
  const hash = createHash('sha256')
  for (const { name, bytes } of files) hash.update(`${JSON.stringify(name)} ${bytes.length}\n`).update(bytes)
  return hash.digest('hex')
}

function textOf(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

function entriesOf(
  document: Document,
  folder: string,
  parsed: readonly (IssuerEntry | undefined)[],
): Entry[] {
  const { issuers } = (document.value ?? {}) as { issuers?: unknown }
  if (!Array.isArray(issuers)) return []
  return issuers.map((value, i) => ({ document, value, folder, path: ['issuers', i], parsed: parsed[i] }))
}

function conflictProblems(conflicts: readonly Conflict<Entry>[]): FileProblem[] {
  return conflicts.map(({ of: { document }, path, text, name, other }) => {
    const place = { file: document.file, line: document.lineOf(path), path }
    if (other === undefined) return { ...place, text }
    const there = other.of.document
    const otherPlace = `${there.file}:${there.lineOf(other.path)}: ${pathText(other.path)}`
    return { ...place, text: `${shownName(name ?? '')} ${text} (${otherPlace})` }
  })
}

function faultOf(
  problems: readonly FileProblem[],
  { sound, ...options }: ErrorOptions & { readonly sound?: readonly IssuerSettings[] } = {},
): IssuersFault {
  return new IssuersFault(problemLines(problems), sound, options)
}
