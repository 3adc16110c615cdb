import type { Command } from 'commander'
import type { TokenAlgorithm } from '../../events/registration.ts'
import { generateKey, privateJwk } from '../../issuers/signing/private-jwk.ts'
import { id } from '../arguments.ts'
import { reads } from '../reads.ts'
import { handOutKeys, parseAlgorithm } from './key-arguments.ts'

interface Options {
  readonly alg: TokenAlgorithm
  readonly kid?: string
  readonly out: string
}

const RSA_BITS = 2_048

export function addNewKey(keys: Command): void {
  reads(keys.command('new'))
    .description('make a key file with one key; print its public half')
    .option('--alg <alg>', 'RS256, PS256, ES256, EdDSA or Ed25519', parseAlgorithm, 'RS256')
    .option('--kid <kid>', 'name of the key (default: its RFC 7638 thumbprint)', id('--kid'))
    .option('--out <file>', 'file to make; - for standard output', 'keys.json')
    .addHelpText('after', '\nExamples:\n  $ logout-relay keys new --alg ES256 --out keys.json')
    .action(newKey)
}

async function newKey({ alg, kid, out }: Options): Promise<void> {
  const { jwk, key } = await privateJwk(await generateKey(alg, RSA_BITS), { alg, kid })
  await handOutKeys(out, [jwk], [key.publicJwk])
}
