import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import type { TokenAlgorithm } from '../../events/registration.ts'
import { readKeyFile } from '../../issuers/signing/key-file.ts'
import { privateJwk } from '../../issuers/signing/private-jwk.ts'
import { codeOf, RelayFault } from '../../lib/errors.ts'
import { id } from '../arguments.ts'
import { Output } from '../output.ts'
import { reads } from '../reads.ts'
import { handOutKeys, parseAlgorithm } from './key-arguments.ts'

interface Options {
  readonly alg?: TokenAlgorithm
  readonly kid?: string
  readonly out: string
}

export function addKeysFromPem(keys: Command): void {
  reads(keys.command('from-pem'))
    .description('make a key file of a private key in PEM, under the kid by which its issuer publishes it')
    .argument('<file>', 'PEM with the private key, not encrypted; - for standard input')
    .option('--kid <kid>', 'name of the key in the JWK set of the issuer (default: thumbprint)', id('--kid'))
    .option('--alg <alg>', 'the only algorithm that it signs (default: all that fit)', parseAlgorithm)
    .option('--out <file>', 'file to make; - for standard output', 'keys.json')
    .addHelpText(
      'after',
      '\nExamples:\n  $ logout-relay keys from-pem realm.pem --kid 7Zk3… --alg RS256 --out keys.json',
    )
    .action(keysFromPem)
}

async function keysFromPem(file: string, { alg, kid, out }: Options): Promise<void> {
  const content = await contentOf(file)
  if (/^\s*[{[]/.test(content.toString('latin1'))) {
    throw new RelayFault('LR_USAGE', `${file}: is JSON already, and no PEM`)
  }
  const { keys, leftOut } = await readKeyFile(content)
  const output = new Output(false)
  for (const { name, reason } of leftOut) output.note(`${name} is left out: ${reason}`)
  if (kid !== undefined && keys.length > 1) {
    throw new RelayFault(
      'LR_USAGE',
      `--kid: ${file} holds ${keys.length} private keys; give each its own file`,
    )
  }
  const jwks = await Promise.all(keys.map((key) => privateJwk(key.privateKey, { alg, kid })))
  await handOutKeys(
    out,
    jwks.map(({ jwk }) => jwk),
    jwks.map(({ key }) => key.publicJwk),
  )
}

async function contentOf(file: string): Promise<Buffer> {
  if (file !== '-') {
    try {
      return await readFile(file)
    } catch (error) {
      throw new RelayFault('LR_USAGE', `${file}: cannot be read (${codeOf(error)})`, { cause: error })
    }
  }
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
