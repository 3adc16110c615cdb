import { randomUUID } from 'node:crypto'
import type { TokenAlgorithm } from '../events/registration.ts'
import type { Clock } from '../lib/clock.ts'
import { logoutTokenPayload, type TokenRequest } from './claims.ts'
import { type SigningKey, signature } from './signing-key.ts'
import type { SigningKeys } from './signing-keys.ts'

export interface SignRequest extends TokenRequest {
  readonly alg: TokenAlgorithm
  readonly typ: string
}

export interface SignedToken {
  /** The compact JWS. */
  readonly token: string
  readonly jti: string
}

/** Signs logout tokens for one issuer. Called once per attempt, so that a retry is never expired nor a replay. */
export class Signer {
  /** The encoded JWS header per key, algorithm and type: a handful of entries for millions of tokens. */
  readonly #headers = new WeakMap<SigningKey, Map<string, string>>()
  readonly #keys: SigningKeys
  readonly #clock: Clock

  constructor(keys: SigningKeys, clock: Clock) {
    this.#keys = keys
    this.#clock = clock
  }

  /** Throws `LR_KEY_MISSING` when no key can sign `alg` now. */
  sign(request: SignRequest): SignedToken {
    const key = this.#keys.keyFor(request.alg)
    const jti = randomUUID()
    const payload = Buffer.from(logoutTokenPayload(request, jti, this.#clock.now())).toString('base64url')
    const input = `${this.#header(key, request.alg, request.typ)}.${payload}`
    return { token: `${input}.${signature(request.alg, key.privateKey, Buffer.from(input, 'latin1'))}`, jti }
  }

  #header(key: SigningKey, alg: TokenAlgorithm, typ: string): string {
    let headers = this.#headers.get(key)
    if (headers === undefined) {
      headers = new Map()
      this.#headers.set(key, headers)
    }
    const name = `${alg} ${typ}`
    let header = headers.get(name)
    if (header === undefined) {
      header = Buffer.from(JSON.stringify({ alg, typ, kid: key.kid })).toString('base64url')
      headers.set(name, header)
    }
    return header
  }
}
