import type { Command } from 'commander'
import type { TokenAlgorithm } from '../../events/registration.ts'
import { chosenKey, keyStandings } from '../../issuers/signing/key-choice.ts'
import { readKeyFile } from '../../issuers/signing/key-file.ts'
import { generateKey, type PrivateJwk, privateJwk } from '../../issuers/signing/private-jwk.ts'
import { readJwks, rotatedKeySet } from '../../issuers/signing/rotate-key-set.ts'
import type { SigningKey } from '../../issuers/signing/signing-key.ts'
import { replaceKeyFile } from '../../issuers/signing/write-key-file.ts'
import { durationText } from '../../lib/duration-text.ts'
import { RelayFault } from '../../lib/errors.ts'
import { timeText } from '../../lib/time-text.ts'
import { id, parseIssuer } from '../arguments.ts'
import { Output } from '../output.ts'
import { reads } from '../reads.ts'
import { parseDuration } from '../time-argument.ts'
import { parseAlgorithm } from './key-arguments.ts'
import { keyFileLayout, keyFileOf } from './key-file-of.ts'

interface Options {
  readonly in: number
  readonly alg?: TokenAlgorithm
  readonly kid?: string
  readonly retireAfter?: number
  readonly issuer?: string
  readonly file?: string
}

const RSA_BITS_MIN = 2_048
const SPAN_MS_MAX = 366 * 86_400_000
/** RPs read a JWK set again when they meet an unknown kid, but some not more often than that. */
const PUBLISHED_BEFORE_MS = 600_000

export function addRotateKeys(keys: Command): void {
  reads(keys.command('rotate'), keyFileLayout)
    .description('add a key that takes over later, so that RPs can read it before it signs')
    .requiredOption('--in <duration>', 'time until it signs, such as 1h', span('--in'))
    .option('--alg <alg>', 'its algorithm (default: as the key that signs now)', parseAlgorithm)
    .option('--kid <kid>', 'its name (default: its RFC 7638 thumbprint)', id('--kid'))
    .option(
      '--retire-after <duration>',
      'end the key that it replaces so long after it took over',
      span('--retire-after'),
    )
    .option('--issuer <issuer>', 'keys of this issuer (default: the only one)', parseIssuer)
    .option('--file <file>', 'change this file (default: the configured one)')
    .addHelpText('after', '\nExamples:\n  $ logout-relay keys rotate --in 1h --file keys.json')
    .action(rotateKeys)
}

function span(argument: string): (text: string) => number {
  return (text) => {
    const ms = parseDuration(text, argument)
    if (ms <= SPAN_MS_MAX) return ms
    throw new RelayFault('LR_USAGE', `${argument}: must be at most a year`)
  }
}

async function rotateKeys({ in: inMs, alg, kid, retireAfter, ...which }: Options): Promise<void> {
  const output = new Output(false)
  const { file, isDirectory, issuer, keys } = await keyFileOf(which)
  if (isDirectory) throw new RelayFault('LR_USAGE', `--file: is required, to say which file of ${file}`)
  // Before anything is written: by links it may be the file of another issuer.
  await keys.load()
  let added: PrivateJwk | undefined
  let notes: readonly string[] = []
  await replaceKeyFile(file, async (content) => {
    const now = Date.now()
    readJwks(content)
    const { keys: before } = await readKeyFile(content)
    const model = modelOf(before, alg, now)
    const notBefore = Math.floor((now + inMs) / 1_000)
    added = await privateJwk(await generateKey(model.algorithm, model.rsaBits), {
      alg: model.alg,
      kid,
      notBefore,
    })
    const replaced = added.key.algorithms.flatMap((it) => chosenKey(before, it, now) ?? [])
    const text = await rotatedKeySet(content, {
      jwk: added.jwk,
      ending: replaced,
      notAfter: retireAfter === undefined ? undefined : notBefore + Math.ceil(retireAfter / 1_000),
    })
    notes = await consequences(text, added.key, now)
    return text
  })
  if (added === undefined) return
  const { key } = added
  output.note(`${file} has a further key, ${key.kid}, which signs from ${timeText(key.notBeforeMs)} on`)
  for (const note of notes) output.note(note)
  const whose = issuer === undefined ? "the issuer's own JWK set" : `the JWK set that ${issuer} publishes`
  output.note(`add this to ${whose}, ${deadlineText(inMs, key)}:`)
  output.json(key.publicJwk)
}

/** What the new key is like: what was asked for, or the key that signs now. */
function modelOf(keys: readonly SigningKey[], alg: TokenAlgorithm | undefined, nowMs: number) {
  const signing = keyStandings(keys, nowMs).filter(({ signs }) => signs === 'now')
  const bitsOf = ({ privateKey }: SigningKey) => privateKey.asymmetricKeyDetails?.modulusLength ?? 0
  const rsaBits = Math.max(RSA_BITS_MIN, ...signing.map(({ key }) => bitsOf(key)))
  if (alg !== undefined) return { algorithm: alg, alg, rsaBits }
  const [only, ...others] = signing
  if (only === undefined || others.length > 0) {
    const why =
      only === undefined ? 'no key of the file signs now' : `${signing.length} keys of the file sign now`
    throw new RelayFault('LR_USAGE', `--alg: is required, because ${why}`)
  }
  const { algorithms, publicJwk } = only.key
  const algorithm = algorithms[0] as TokenAlgorithm
  return { algorithm, alg: algorithms.find((it) => it === publicJwk.alg), rsaBits }
}

/** What the operator should know of the file as it is now, beyond what was asked for. */
async function consequences(text: string, { kid }: SigningKey, nowMs: number): Promise<string[]> {
  const { keys } = await readKeyFile(Buffer.from(text))
  const standings = keyStandings(keys, nowMs)
  const added = standings.find(({ key }) => key.kid === kid)
  if (added === undefined || added.signs === 'never') {
    throw new RelayFault('LR_USAGE', '--in: at that time another key of the file becomes valid as well')
  }
  const notes = standings.flatMap(({ key, untilMs, signs }) =>
    signs !== 'never' && untilMs !== undefined && key.kid !== kid
      ? `${key.kid} signs ${signs === 'now' ? '' : `from ${timeText(key.notBeforeMs)} `}until ${timeText(untilMs)}`
      : [],
  )
  const gaps = added.key.algorithms.filter(
    (it) =>
      chosenKey(keys, it, nowMs) !== undefined && !isSignedUntil(keys, it, nowMs, added.key.notBeforeMs),
  )
  if (gaps.length > 0) notes.push(`WARNING: no key signs ${gaps.join(' and ')} for a while before that`)
  if (added.untilMs !== undefined) notes.push(`${kid} signs until ${timeText(added.untilMs)}`)
  return notes
}

/** Whether each key that ends is followed by another at once. */
function isSignedUntil(
  keys: readonly SigningKey[],
  alg: TokenAlgorithm,
  fromMs: number,
  toMs: number,
): boolean {
  const ends = keys.map(({ notAfterMs }) => notAfterMs).filter((ms) => ms > fromMs && ms < toMs)
  return ends.every((ms) => chosenKey(keys, alg, ms) !== undefined)
}

function deadlineText(inMs: number, { notBeforeMs }: SigningKey): string {
  const latestMs = notBeforeMs - PUBLISHED_BEFORE_MS
  return inMs > PUBLISHED_BEFORE_MS
    ? `before ${timeText(latestMs)}: some RPs look only every ${durationText(PUBLISHED_BEFORE_MS)}`
    : 'at once: some RPs look only every 10 minutes, and refuse its tokens until they have'
}
