import type { TokenAlgorithm, TokenType } from '../../events/registration.ts'
import type { RsaThreads } from './rsa-threads.ts'
import { isRsa, type SigningKey, signature, signatureCharacters } from './signing-key.ts'
import type { SigningKeys } from './signing-keys.ts'
import type { TokenHeader, TokenSigner } from './token-signer.ts'

const DOT = 0x2e

/** What the tokens of one key, algorithm and type have in common. */
interface Frame {
  /** The encoded JWS header with its dot. */
  readonly header: Buffer
  /** Characters of the encoded signature. */
  readonly signatureLength: number
}

/** Signs with the keys of a file. */
export class LocalSigner implements TokenSigner {
  /** Per key, algorithm and type: a handful of entries for millions of tokens. */
  readonly #frames = new WeakMap<SigningKey, Map<string, Frame>>()
  readonly #keys: Pick<SigningKeys, 'isLoaded' | 'keyFor' | 'load'>
  readonly #rsa: RsaThreads

  constructor(keys: Pick<SigningKeys, 'isLoaded' | 'keyFor' | 'load'>, rsa: RsaThreads) {
    this.#keys = keys
    this.#rsa = rsa
  }

  /** Calls `done` at once but before the keys are read, and for RSA signatures that come in numbers. */
  sign({ alg, typ }: TokenHeader, payload: string, done: (signed: Buffer | Error) => void): void {
    if (!this.#keys.isLoaded) {
      this.#keys.load().then(() => this.sign({ alg, typ }, payload, done), done)
      return
    }
    let key: SigningKey
    try {
      key = this.#keys.keyFor(alg)
    } catch (error) {
      done(error as Error)
      return
    }
    const { header, signatureLength } = this.#frame(key, alg, typ)
    const encoded = Buffer.from(payload).toString('base64url')
    const signedBytes = header.length + encoded.length
    // Bytes, because it goes out as it is, and a text of that length costs three copies on its way.
    const token = Buffer.allocUnsafe(signedBytes + 1 + signatureLength)
    header.copy(token)
    token.write(encoded, header.length, 'latin1')
    token[signedBytes] = DOT
    const input = token.subarray(0, signedBytes)
    const end = (signed: Buffer | Error): void => {
      if (signed instanceof Error) {
        done(signed)
        return
      }
      token.write(signed.toString('base64url'), signedBytes + 1, 'latin1')
      done(token)
    }
    if (isRsa(alg)) this.#rsa.sign({ algorithm: alg, key: key.privateKey, input, done: end })
    else end(signature(alg, key.privateKey, input))
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
