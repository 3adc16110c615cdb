import { randomUUID } from 'node:crypto'
import type { TokenAlgorithm } from '../events/registration.ts'
import type { Clock } from '../lib/clock.ts'
import { logoutTokenPayload, type TokenRequest } from './claims.ts'
import { type SigningKey, signature, signatureCharacters } from './signing-key.ts'
import type { SigningKeys } from './signing-keys.ts'

const DOT = 0x2e

export interface SignRequest extends TokenRequest {
  readonly alg: TokenAlgorithm
  readonly typ: string
}

export interface SignedToken {
  /** The compact JWS, as ASCII: it goes out as it is, and a text of that length costs three copies on its way. */
  readonly token: Buffer
  readonly jti: string
}

/** Signs logout tokens for one issuer. Called once per attempt, so that a retry is never expired nor a replay. */
export class Signer {
  /** The encoded JWS header per key, algorithm and type: a handful of entries for millions of tokens. */
  readonly #headers = new WeakMap<SigningKey, Map<string, Buffer>>()
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
    const header = this.#header(key, request.alg, request.typ)
    const payload = Buffer.from(logoutTokenPayload(request, jti, this.#clock.now())).toString('base64url')
    const signedBytes = header.length + payload.length
    const token = Buffer.allocUnsafe(signedBytes + 1 + signatureCharacters(request.alg, key.privateKey))
    header.copy(token)
    token.write(payload, header.length, 'latin1')
    token[signedBytes] = DOT
    const signed = signature(request.alg, key.privateKey, token.subarray(0, signedBytes))
    token.write(signed, signedBytes + 1, 'latin1')
    return { token, jti }
  }

  /** The encoded JWS header with its dot. */
  #header(key: SigningKey, alg: TokenAlgorithm, typ: string): Buffer {
    let headers = this.#headers.get(key)
    if (headers === undefined) {
      headers = new Map()
      this.#headers.set(key, headers)
    }
    const name = `${alg} ${typ}`
    let header = headers.get(name)
    if (header === undefined) {
      header = Buffer.from(
        `${Buffer.from(JSON.stringify({ alg, typ, kid: key.kid })).toString('base64url')}.`,
        'latin1',
      )
      headers.set(name, header)
    }
    return header
  }
}
