import { type TokenAlgorithm, tokenAlgorithms } from '../events/registration.ts'
import type { SigningKey } from '../token/signing-key.ts'
import { hint, type Judgement, ok, warning } from './judgement.ts'
import { permissionText } from './key-file.ts'

/** Permissions of the key file that no check minds. `mode` as in `stat`. */
export function goodPermissions(mode: number): Judgement {
  return ok(`${permissionText(mode)}: nobody else may read it${(mode & 0o040) === 0 ? '' : ' but its group'}`)
}

/** Each algorithm with the key that signs it now. */
export type SigningNow = ReadonlyMap<TokenAlgorithm, SigningKey>

/** What tokens can be signed. RS256 is what a registration asks for that names no algorithm. */
export function judgeSigning(keys: readonly SigningKey[], signing: SigningNow, nowMs: number): Judgement {
  const texts = [...new Set(signing.values())].map((key) => {
    const signed = tokenAlgorithms.filter((alg) => signing.get(alg) === key)
    return `${key.kid} (${strengthOf(key)}) signs ${signed.join(' and ')}`
  })
  if (texts.length === 0) {
    const first = Math.min(...keys.map(({ notBeforeMs }) => notBeforeMs))
    return {
      status: 'problem',
      found: `no key signs before ${new Date(first).toISOString()}: until then no logout is sent`,
      mend: 'add a key that signs now, or take notBefore from one',
    }
  }
  const found = texts.join(', ')
  if (!signing.has('RS256')) {
    return warning(
      `${found}; no key signs RS256, which a registration means that names no alg: its logouts fail as invalid`,
      'add an RSA key, or give every registration its alg',
    )
  }
  const next = keys.filter(({ notBeforeMs }) => notBeforeMs > nowMs)
  const later = next.map(({ kid, notBeforeMs }) => `; ${kid} from ${new Date(notBeforeMs).toISOString()}`)
  return ok(found + later.join(''))
}

/** A key that neither signs nor will sign is one that was forgotten. */
export function idleKey(kid: string): Judgement {
  return hint(
    `${kid} signs nothing: a newer key of the file has taken its place`,
    'take it out of the key file; leave it in the JWK set of the issuer until its last tokens have expired',
  )
}

function strengthOf({ privateKey }: SigningKey): string {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = privateKey
  return type === 'rsa' ? `RSA, ${details?.modulusLength} bits` : type === 'ec' ? 'P-256' : 'Ed25519'
}
