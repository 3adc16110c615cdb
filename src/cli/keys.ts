import type { Command } from 'commander'
import { addKeysFromPem } from './keys/keys-from-pem.ts'
import { addListKeys } from './keys/list-keys.ts'
import { addNewKey } from './keys/new-key.ts'
import { addRotateKeys } from './keys/rotate-keys.ts'

export function addKeys(program: Command): void {
  const keys = program
    .command('keys')
    .description('the signing keys of an issuer: make, list and rotate them')
    .addHelpText('after', '\nExamples:\n  $ logout-relay keys new --alg ES256 --out keys.json')
  addNewKey(keys)
  addListKeys(keys)
  addRotateKeys(keys)
  addKeysFromPem(keys)
}
