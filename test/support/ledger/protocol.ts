import type { JsonWebKey } from 'node:crypto'

/** What an origin does with the requests it gets. `refuse` closes the listener; the others read the request first. */
export type Behaviour =
  | {
      readonly kind: 'answer'
      readonly status: number
      readonly retryAfter?: string
      readonly delayMs?: number
    }
  | { readonly kind: 'hang' }
  | { readonly kind: 'reset' }
  | { readonly kind: 'refuse' }

/** Which signatures are checked; `sample` checks one in a hundred. The rest of a token is always checked. */
export type Verification = 'all' | 'sample' | 'none'

export interface LedgerOptions {
  /** How many relying parties, each an origin (a port on 127.0.0.1) of its own. */
  readonly origins: number
  readonly verify?: Verification
  /** The issuer's public keys; needed unless `verify` is `none`. */
  readonly jwks?: { readonly keys: readonly JsonWebKeyWithId[] }
  /** The `iss` that every token must carry, where that is to be checked. */
  readonly issuer?: string
  /** In place of both where there are several: the public keys of each, by its `iss`. */
  readonly jwksOf?: Readonly<Record<string, { readonly keys: readonly JsonWebKeyWithId[] }>>
}

export type JsonWebKeyWithId = JsonWebKey & { readonly kid: string }

export interface RelyingParty {
  readonly origin: number
  /** Tokens for `<clientId>.<anything>` are taken as well: those of further clients at the same origin. */
  readonly clientId: string
  readonly backchannelLogoutUri: string
}

export interface LedgerReady {
  readonly controlPort: number
  readonly relyingParties: readonly RelyingParty[]
}

export interface OriginCounts {
  /** Valid tokens answered with 200 or 204, repetitions included. */
  readonly accepted: number
  /** Valid tokens that arrived, whatever the answer was. */
  readonly attempts: number
  readonly invalid: number
}

/** The state of the book. A *pair* is one (session, client); it counts as delivered once accepted. */
export interface LedgerSummary extends OriginCounts {
  /** Pairs accepted at least once. */
  readonly distinct: number
  /** Acceptances beyond the first of each pair. */
  readonly duplicates: number
  /** Acceptances with the `jti` that this pair's previous acceptance had: an RP with a replay store refuses them. */
  readonly repeatedJti: number
  readonly invalidReasons: Readonly<Record<string, number>>
  /** Signatures that were checked, good or bad. */
  readonly verified: number
  readonly openConnections: number
  readonly perOrigin: readonly OriginCounts[]
  /** When this summary was taken, and when the last valid token arrived (0: none did). `monotonicMs` of this machine. */
  readonly atMs: number
  readonly lastArrivalMs: number
}

export interface Arrival {
  readonly sessionId: string
  readonly clientId: string
  readonly attempts: number
  readonly accepted: number
  /** `monotonicMs` of the first valid token of the pair. */
  readonly firstArrivalMs: number
}

/** Who must be told about the end of one session. `sessionId` is the `sid` of the tokens. */
export interface ExpectedSession {
  readonly sessionId: string
  readonly clientIds: readonly string[]
}

export interface Expectation {
  readonly expected: number
  /** Expected pairs that were never accepted: lost. */
  readonly missing: number
  /** Acceptances of expected pairs beyond the first. */
  readonly duplicates: number
  /** Accepted pairs that nobody expected. */
  readonly unexpected: number
  /** Up to ten of the missing pairs, as `sessionId clientId`. */
  readonly missingSample: readonly string[]
}

/** A condition on the summary: every member that is given must hold. */
export interface LedgerCondition {
  readonly distinctMin?: number
  readonly attemptsMin?: number
  readonly openConnectionsMax?: number
}
