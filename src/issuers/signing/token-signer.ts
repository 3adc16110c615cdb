import type { TokenAlgorithm, TokenType } from '../../events/registration.ts'

/** Of the JWS header, what differs between tokens; the key adds its `kid`. */
export interface TokenHeader {
  readonly alg: TokenAlgorithm
  readonly typ: TokenType
}

/** Signs the tokens of one issuer, once per attempt, so that a retry is never expired. */
export interface TokenSigner {
  /**
   * `done` gets the compact JWS of `payload` (JSON) as ASCII bytes, or the reason why there is none: `LR_KEY_MISSING` when
   * no key signs `alg` now. It is called exactly once: before `sign` returns, or later. Never throws.
   */
  sign(header: TokenHeader, payload: string, done: (signed: Buffer | Error) => void): void
}
