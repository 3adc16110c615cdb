import { RelayFault } from '../../lib/errors.ts'
import { printable } from '../../lib/printable.ts'
import { type KeyResult, keyOfJwk, keyOfPem, left } from './read-key.ts'
import type { SigningKey } from './signing-key.ts'

/** A key of the file that the relay does not sign with. */
export interface LeftOutKey {
  /** Its kid, or its place in the file. */
  readonly name: string
  readonly reason: string
  /** It was meant to sign and cannot; else it is for something else, as many a key in such a file. */
  readonly isMistake: boolean
}

export interface KeyFile {
  /** At least one. */
  readonly keys: readonly SigningKey[]
  readonly leftOut: readonly LeftOutKey[]
}

const PEM_BEGIN = /(?=-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----)/
const PEM_BLOCK = /^-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----[\s\S]*?-----END \1-----/
const NOTHING = /^/
const NAME_CHARACTERS_MAX = 100
const REASONS_MAX = 8

/**
 * Reads the keys of one issuer from a file: a JWK set, one JWK, or PEM with one or more private keys. One key that cannot
 * be used says nothing of the others, so it is left out and named. Throws `LR_KEYS_INVALID` when there is none to sign
 * with. Neither names nor reasons show key material.
 */
export async function readKeyFile(content: Buffer): Promise<KeyFile> {
  return readKeyFiles([{ content }])
}

/** As `readKeyFile`, of files that are read as one; the name of a file stands before what is told of its keys. */
export async function readKeyFiles(
  files: readonly { readonly name?: string; readonly content: Buffer }[],
): Promise<KeyFile> {
  try {
    return await readKeys(files.flatMap(({ name, content }) => entriesOf(content, name)))
  } finally {
    // The engine keeps the text of the last match, which was that of the file (`RegExp.input`).
    NOTHING.test('')
  }
}

function entriesOf(content: Buffer, name: string | undefined): Entry[] {
  // Which takes a byte order mark away as well.
  const text = textOf(content).trim()
  const isJson = text.startsWith('{') || text.startsWith('[')
  const entries = isJson ? jsonEntries(text, name ?? 'the file') : pemEntries(text)
  return name === undefined ? entries : entries.map((it) => ({ ...it, place: `${name}: ${it.place}` }))
}

async function readKeys(entries: readonly Entry[]): Promise<KeyFile> {
  const keys: SigningKey[] = []
  const leftOut: LeftOutKey[] = []
  for (const { place, read } of entries) {
    const result = await read()
    const twin = 'key' in result ? keys.find((key) => isMixedUpWith(key, result.key)) : undefined
    if (!('key' in result)) leftOut.push({ name: place, ...result })
    else if (twin === undefined) keys.push(result.key)
    else leftOut.push({ name: place, ...left('an earlier key in the file has the same kid') })
  }
  if (keys.length === 0) throw new RelayFault('LR_KEYS_INVALID', noKeyText(leftOut))
  return { keys, leftOut }
}

/** RPs tell keys of one kid apart by their type (RFC 7517 §4.5), and by nothing else. */
function isMixedUpWith(a: SigningKey, b: SigningKey): boolean {
  return a.kid === b.kid && a.publicJwk.kty === b.publicJwk.kty
}

/** Editors and shells of some systems write UTF-16, behind a byte order mark. */
function textOf(content: Buffer): string {
  const [first, second] = content
  if (first === 0xff && second === 0xfe) return content.toString('utf16le')
  if (first === 0xfe && second === 0xff && content.length % 2 === 0) {
    return Buffer.from(content).swap16().toString('utf16le')
  }
  return content.toString('utf8')
}

interface Entry {
  readonly place: string
  readonly read: () => KeyResult | Promise<KeyResult>
}

function jsonEntries(text: string, file: string): Entry[] {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw new RelayFault('LR_KEYS_INVALID', `${file} looks like a JWK set but is not JSON`)
  }
  const { keys, ciphertext, kty } = json as Readonly<Record<string, unknown>>
  if (ciphertext !== undefined) {
    throw new RelayFault('LR_KEYS_INVALID', `${file} is encrypted (JWE); decrypt it for the relay`)
  }
  const jwks = Array.isArray(json) ? json : Array.isArray(keys) ? keys : kty !== undefined ? [json] : []
  return jwks.map((jwk: unknown, index) => ({ place: jwkName(jwk, index), read: () => keyOfJwk(jwk) }))
}

function jwkName(jwk: unknown, index: number): string {
  const { kid } = (jwk ?? {}) as { kid?: unknown }
  return typeof kid === 'string' && kid !== ''
    ? `kid ${printable(kid.slice(0, NAME_CHARACTERS_MAX))}`
    : `keys[${index}]`
}

function pemEntries(text: string): Entry[] {
  // A PEM that went through an environment variable or YAML may have lost its line breaks, or stand farther right.
  const lines = text.replaceAll('\\n', '\n').replace(/[ \t]*(\r\n?|\n)[ \t]*/g, '\n')
  // What stands before the first key, parameters or certificates say, is none.
  const parts = lines.split(PEM_BEGIN).filter((part) => PEM_BEGIN.exec(part)?.index === 0)
  return parts.map((part, index) => ({
    place: `PEM block ${index + 1}`,
    read: () => {
      const [block] = PEM_BLOCK.exec(part) ?? []
      return block === undefined ? left('its last line is missing') : keyOfPem(block)
    },
  }))
}

function noKeyText(leftOut: readonly LeftOutKey[]): string {
  if (leftOut.length === 0) return 'no private key in the file: expected a JWK set or PEM'
  const reasons = leftOut.slice(0, REASONS_MAX).map(({ name, reason }) => `${name}: ${reason}`)
  const more = leftOut.length > REASONS_MAX ? `; and ${leftOut.length - REASONS_MAX} more` : ''
  return `no private key in the file can sign logout tokens: ${reasons.join('; ')}${more}`
}
