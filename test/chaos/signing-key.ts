import { createPublicKey, type JsonWebKey } from 'node:crypto'
import { join } from 'node:path'
import type { JsonWebKeyWithId } from '../support/ledger/protocol.ts'
import { privateJwk, replaceFile } from '../support/signing-key-file.ts'

const KEY_ID = 'chaos-ec'

/** Writes a key for the relays and returns its public half for the relying parties. */
export async function writeSigningKey(
  folder: string,
): Promise<{ file: string; jwks: { keys: JsonWebKeyWithId[] } }> {
  const file = join(folder, 'keys.json')
  const key = privateJwk('ec', KEY_ID)
  await replaceFile(file, JSON.stringify({ keys: [key] }))
  const publicKey = createPublicKey({ key: key as JsonWebKey, format: 'jwk' }).export({ format: 'jwk' })
  return { file, jwks: { keys: [{ ...publicKey, kid: KEY_ID }] } }
}
