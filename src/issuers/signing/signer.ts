import type { TokenAlgorithm, TokenType } from '../../events/registration.ts'
import { type SigningKey, signature, signatureCharacters } from './signing-key.ts'
import type { SigningKeys } from './signing-keys.ts'

const DOT = 0x2e

/** What the tokens of one key, algorithm and type have in common. */
interface Frame {
  /** The encoded JWS header with its dot. */
  readonly header: Buffer
  /** Characters of the encoded signature. */
  readonly signatureLength: number
}

/** Signs tokens for one issuer. Called once per attempt, so that a retry is never expired. */
export class Signer {
  /** Per key, algorithm and type: a handful of entries for millions of tokens. */
  readonly #frames = new WeakMap<SigningKey, Map<string, Frame>>()
  readonly #keys: SigningKeys

  constructor(keys: SigningKeys) {
    this.#keys = keys
  }

  /**
   * The compact JWS of a payload in JSON, as ASCII: it goes out as it is, and a text of that length costs three copies on its
   * way. Throws `LR_KEY_MISSING` when no key can sign `alg` now.
   */
  sign(alg: TokenAlgorithm, typ: TokenType, json: string): Buffer {
    const key = this.#keys.keyFor(alg)
    const { header, signatureLength } = this.#frame(key, alg, typ)
    const payload = Buffer.from(json).toString('base64url')
    const signedBytes = header.length + payload.length
    const token = Buffer.allocUnsafe(signedBytes + 1 + signatureLength)
    header.copy(token)
    token.write(payload, header.length, 'latin1')
    token[signedBytes] = DOT
    const signed = signature(alg, key.privateKey, token.subarray(0, signedBytes))
    token.write(signed, signedBytes + 1, 'latin1')
    return token
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
