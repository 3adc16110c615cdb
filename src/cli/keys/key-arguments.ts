import { type TokenAlgorithm, tokenAlgorithms } from '../../events/registration.ts'
import { createKeyFile } from '../../issuers/signing/write-key-file.ts'
import { wordFor } from '../../lib/counted.ts'
import { RelayFault } from '../../lib/errors.ts'
import { Output } from '../output.ts'

/** The parser of `--alg`. */
export function parseAlgorithm(text: string): TokenAlgorithm {
  const found = tokenAlgorithms.find((it) => it === text)
  if (found !== undefined) return found
  throw new RelayFault(
    'LR_USAGE',
    `--alg: must be ${tokenAlgorithms.join(', ').replace(/, ([^,]*)$/, ' or $1')}`,
  )
}

/** Stands for standard output. */
const STANDARD_OUTPUT = '-'

/**
 * Writes private keys to a new file, or to standard output where `-` asks for it, and shows the public ones: as lines of JSON on
 * standard output, or beside the private ones on standard error. Throws as `createKeyFile`.
 */
export async function handOutKeys(
  out: string,
  jwks: readonly object[],
  publicJwks: readonly object[],
): Promise<void> {
  const text = `${JSON.stringify({ keys: jwks }, null, 2)}\n`
  const output = new Output(false)
  if (out === STANDARD_OUTPUT) {
    process.stdout.write(text)
    for (const jwk of publicJwks) output.note(JSON.stringify(jwk))
    return
  }
  await createKeyFile(out, text)
  output.note(`${out} holds the private ${wordFor(jwks.length, 'key')}; only its owner may read it`)
  output.note("the public half, for the issuer's own JWK set before the first token is signed:")
  for (const jwk of publicJwks) output.json(jwk)
}
