import { randomUUID } from 'node:crypto'
import type { TokenAlgorithm } from '../../events/registration.ts'
import type { Clock } from '../../lib/clock.ts'
import { logoutTokenPayload, type TokenRequest, type TokenType } from './claims.ts'
import { type SigningKey, signature, signatureCharacters } from './signing-key.ts'
import type { SigningKeys } from './signing-keys.ts'

const DOT = 0x2e

export interface SignRequest extends TokenRequest {
  readonly alg: TokenAlgorithm
  readonly typ: TokenType
}

export interface SignedToken {
  /** The compact JWS, as ASCII: it goes out as it is, and a text of that length costs three copies on its way. */
  readonly token: Buffer
  readonly jti: string
}

/** What the tokens of one key, algorithm and type have in common. */
interface Frame {
  /** The encoded JWS header with its dot. */
  readonly header: Buffer
  /** Characters of the encoded signature. */
  readonly signatureLength: number
}

/** Signs logout tokens for one issuer. Called once per attempt, so that a retry is never expired nor a replay. */
export class Signer {
  /** Per key, algorithm and type: a handful of entries for millions of tokens. */
  readonly #frames = new WeakMap<SigningKey, Map<string, Frame>>()
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
    const { header, signatureLength } = this.#frame(key, request.alg, request.typ)
    const payload = Buffer.from(logoutTokenPayload(request, jti, this.#clock.now())).toString('base64url')
    const signedBytes = header.length + payload.length
    const token = Buffer.allocUnsafe(signedBytes + 1 + signatureLength)
    header.copy(token)
    token.write(payload, header.length, 'latin1')
    token[signedBytes] = DOT
    const signed = signature(request.alg, key.privateKey, token.subarray(0, signedBytes))
    token.write(signed, signedBytes + 1, 'latin1')
    return { token, jti }
  }

  #frame(key: SigningKey, alg: TokenAlgorithm, typ: TokenType): Frame {
    let frames = this.#frames.get(key)
    if (frames === undefined) {
      frames = new Map()
      this.#frames.set(key, frames)
    }
    const name = `${alg} ${typ}`
    let frame = frames.get(name)
    if (frame === undefined) {
      const header = Buffer.from(JSON.stringify({ alg, typ, kid: key.kid })).toString('base64url')
      frame = {
        header: Buffer.from(`${header}.`, 'latin1'),
        signatureLength: signatureCharacters(alg, key.privateKey),
      }
      frames.set(name, frame)
    }
    return frame
  }
}
