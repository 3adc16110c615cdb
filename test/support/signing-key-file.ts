import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { rename, writeFile } from 'node:fs/promises'
import type { JWK } from 'jose'

export type KeyKind = 'rsa' | 'ec' | 'ed25519'

/** A private key as a JWK without `alg`: the RSA one signs RS256 and PS256. */
export function privateJwk(kind: KeyKind, kid: string, extra: Record<string, unknown> = {}): JWK {
  return { ...(generate(kind).export({ format: 'jwk' }) as JWK), kid, ...extra }
}

/** Replaces the file at once, as a mounted secret is replaced: a reader never sees half of it. */
export async function replaceFile(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text, { mode: 0o600 })
  await rename(`${file}.new`, file)
}

function generate(kind: KeyKind): KeyObject {
  switch (kind) {
    case 'rsa':
      return generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey
    case 'ec':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    case 'ed25519':
      return generateKeyPairSync('ed25519').privateKey
    default:
      return kind satisfies never
  }
}
