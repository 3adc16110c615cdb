import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import type { JsonWebKeyWithId } from '../support/ledger/protocol.ts'

export const benchAlgorithms = ['ES256', 'RS256'] as const
export type BenchAlgorithm = (typeof benchAlgorithms)[number]

/** Writes a JWK set with one private key per algorithm and returns the public halves. */
export async function writeSigningKeys(file: string): Promise<{ keys: JsonWebKeyWithId[] }> {
  const pairs = {
    ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  }
  const jwks = (half: 'privateKey' | 'publicKey') => ({
    keys: benchAlgorithms.map((alg) => jwk(pairs[alg][half], alg)),
  })
  await writeFile(file, JSON.stringify(jwks('privateKey')), { mode: 0o600 })
  return jwks('publicKey')
}

function jwk(key: KeyObject, alg: BenchAlgorithm): JsonWebKeyWithId {
  return { ...key.export({ format: 'jwk' }), kid: `bench-${alg.toLowerCase()}`, alg, use: 'sig' }
}
