import { createHash } from 'node:crypto'
import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import { isSelected, type TopicSelection } from '../events/topic-selection.ts'
import { codeOf, messageOf } from '../lib/errors.ts'
import { type KnownKeys, type PlacedProblem, readDocument, readText } from './document-problems.ts'
import { type IntakeKey, readIntakeKeys, readSharedSecrets } from './intake-credentials.ts'
import { type IntakePlatform, type IntakePlatformName, intakePlatforms } from './intake-platforms.ts'
import type { DocumentPath } from './yaml-document.ts'

/** How a webhook shows who sent it. Names of headers are in lower case. */
export type IntakeVerification =
  /** An HMAC of the body. The first of the headers that is there counts. */
  | {
      readonly kind: 'hmac'
      readonly headers: readonly string[]
      readonly algorithm: 'sha256' | 'sha512'
      readonly encoding: 'hex' | 'base64'
      /** What stands before the signature, where anything does. */
      readonly prefix: string
    }
  /** `t=<seconds>,v1=<hex>`: an HMAC-SHA256 of the seconds, a dot and the body. */
  | { readonly kind: 'timestamped-hmac'; readonly header: string }
  /** The secret itself, also behind `Bearer `. */
  | { readonly kind: 'bearer'; readonly header: string }
  /** A signed JWT, also behind `Bearer `, whose `request_body_sha256` is the digest of the body. */
  | { readonly kind: 'jwt'; readonly header: string; readonly audience?: string | undefined }

/** One sender of webhooks, and the topic that its events go to. */
export interface IntakeSource {
  /** The end of its path. */
  readonly name: string
  readonly topic: string
  readonly verification: IntakeVerification
  readonly challenge: IntakePlatform['challenge']
  /** Each of them counts, so that one can be replaced. Empty where keys verify. */
  readonly secrets: readonly Buffer[]
  readonly keys: readonly IntakeKey[]
  /** Headers of the request that the records get, beside those that they always get. */
  readonly keptHeaders: readonly string[]
}

export interface IntakeFile {
  readonly sources: readonly IntakeSource[]
  /** Of the bytes of this file and of all that it names: as long as it is the same, so are the sources. */
  readonly contentHash: string
}

const SOURCES_MAX = 64
const KEPT_HEADERS_MAX = 8
const PLATFORMS = Object.keys(intakePlatforms) as [IntakePlatformName, ...IntakePlatformName[]]
const CODE = 'LR_INTAKE_INVALID'

const header = z
  .string()
  .regex(/^[\w-]{1,64}$/, 'must be the name of a header')
  .transform((name) => name.toLowerCase())
/** Those by which a record says what it is would let a webhook pass for a record of another kind. */
const keptHeader = header.refine(
  (name) =>
    !/^(ce[-_]|__|content-|dead-letter-|(proxy-)?authorization$|(set-)?cookie$|webhook-source$|(event[-_]?)?type$)/.test(
      name,
    ),
  'must not be a header that carries credentials or says what a record is',
)
const file = z.string().min(1, 'must not be empty')
const verification = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({
      kind: z.literal('hmac'),
      header,
      algorithm: z.enum(['sha256', 'sha512']).default('sha256'),
      encoding: z.enum(['hex', 'base64']).default('hex'),
      prefix: z.string().max(32).default(''),
    }),
    z.strictObject({ kind: z.literal('timestamped-hmac'), header }),
    z.strictObject({ kind: z.literal('bearer'), header: header.default('authorization') }),
    z.strictObject({ kind: z.literal('jwt'), header: header.default('authorization') }),
  ],
  'must have a kind: hmac, timestamped-hmac, bearer or jwt',
)
const source = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,49}$/, 'must be lower-case letters, digits and dashes'),
  topic: z
    .string()
    .regex(/^[\w.-]{1,249}$/, 'must be the name of one topic: letters, digits, dot, dash and underscore'),
  platform: z.enum(PLATFORMS).optional(),
  verify: verification.optional(),
  secretFile: file.optional(),
  keysFile: file.optional(),
  header: header.optional(),
  audience: z.string().min(1, 'must not be empty').optional(),
  keepHeaders: z.array(keptHeader).max(KEPT_HEADERS_MAX, `must be ${KEPT_HEADERS_MAX} at most`).default([]),
})
/** What the file holds before it is checked further, also for the schema of the chart's values. */
export const intakeDocument = z.strictObject({
  sources: z
    .array(source)
    .min(1, 'must have at least one')
    .max(SOURCES_MAX, `must have ${SOURCES_MAX} at most`),
})

const KEYS: KnownKeys = { '': Object.keys(intakeDocument.shape), sources: Object.keys(source.shape) }

type SourceEntry = z.infer<typeof source>

/**
 * Reads who may send webhooks, with the secrets and keys that the file names, relative to its own folder. `topics`: those that
 * the relay reads. Throws `LR_INTAKE_INVALID` with a line per problem, which quotes no secret.
 */
export function readIntakeFile(path: string, topics: TopicSelection): IntakeFile {
  const { bytes, data, refuse } = readDocument(path, { code: CODE, known: KEYS, schema: intakeDocument })
  const hash = createHash('sha256').update(bytes)
  const problems: PlacedProblem[] = []
  const names = new Set<string>()
  const sources = data.sources.flatMap((entry, i): IntakeSource[] => {
    const complain = (below: DocumentPath, text: string): undefined => {
      problems.push({ path: ['sources', i, ...below], text })
    }
    if (names.has(entry.name)) complain(['name'], `${entry.name} stands above already; choose another`)
    names.add(entry.name)
    if (!isSelected(topics, entry.topic))
      complain(['topic'], `${entry.topic} is not one of KAFKA_TOPICS, so nobody would read it; add it there`)
    const verification = verificationOf(entry, complain)
    if (verification === undefined) return []
    const credentials = readCredentials(entry, dirname(resolve(path)), hash, complain)
    const { name, topic, keepHeaders: keptHeaders } = entry
    const { headers = [], header = '' } = verification as { headers?: readonly string[]; header?: string }
    for (const [j, kept] of keptHeaders.entries())
      if (kept === header || headers.includes(kept))
        complain(['keepHeaders', j], 'carries the signature or the secret')
    const { challenge }: IntakePlatform = entry.platform === undefined ? {} : intakePlatforms[entry.platform]
    return [{ name, topic, verification, challenge, keptHeaders, ...credentials }]
  })
  refuse(problems)
  return { sources, contentHash: hash.digest('hex') }
}

type Complain = (below: DocumentPath, text: string) => undefined

function verificationOf(entry: SourceEntry, complain: Complain): IntakeVerification | undefined {
  const { audience, header: chosen, keysFile, platform, secretFile, verify } = entry
  if ((platform === undefined) === (verify === undefined))
    return complain([], 'must have a platform, or a verify of its own, and not both')
  if ((secretFile === undefined) === (keysFile === undefined))
    return complain([], 'must have a secretFile or a keysFile, and not both')
  const found = platform === undefined ? written(verify) : ofPlatform(platform, keysFile !== undefined)
  if (found === undefined) {
    const other = keysFile === undefined ? 'keysFile' : 'secretFile'
    return complain([], `${platform} does not sign in that way; name a ${other} instead`)
  }
  if ((found.kind === 'jwt') !== (keysFile !== undefined))
    return complain(
      ['verify'],
      `kind ${found.kind} needs a ${found.kind === 'jwt' ? 'keysFile' : 'secretFile'}`,
    )
  if (audience !== undefined && found.kind !== 'jwt')
    return complain(['audience'], 'has no effect without a keysFile; leave it out')
  if (chosen === undefined) return found.kind === 'jwt' ? { ...found, audience } : found
  if (verify !== undefined) return complain(['header'], 'stands in verify; leave it out here')
  return found.kind === 'hmac'
    ? { ...found, headers: [chosen] }
    : { ...found, header: chosen, ...(found.kind === 'jwt' && { audience }) }
}

function ofPlatform(platform: IntakePlatformName, hasKeys: boolean): IntakeVerification | undefined {
  const { secret, keys }: IntakePlatform = intakePlatforms[platform]
  return hasKeys ? keys : secret
}

function written(verify: SourceEntry['verify']): IntakeVerification | undefined {
  if (verify?.kind !== 'hmac') return verify
  const { header: name, ...hmac } = verify
  return { ...hmac, headers: [name] }
}

function readCredentials(
  { keysFile, secretFile }: SourceEntry,
  folder: string,
  hash: ReturnType<typeof createHash>,
  complain: Complain,
): Pick<IntakeSource, 'keys' | 'secrets'> {
  const nothing = { keys: [], secrets: [] }
  const [key, name = ''] = secretFile === undefined ? ['keysFile', keysFile] : ['secretFile', secretFile]
  try {
    const bytes = readText(resolve(folder, name), CODE)
    hash.update('\0').update(bytes)
    const read = key === 'keysFile' ? readIntakeKeys(bytes) : readSharedSecrets(bytes)
    if (typeof read === 'string') complain([key], `${name} ${read}`)
    else return { ...nothing, ...read }
  } catch (error) {
    if (codeOf(error) !== CODE) throw error
    complain([key], messageOf(error))
  }
  return nothing
}
