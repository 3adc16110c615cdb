import type { SubjectClaims, TokenAlgorithm, TokenType } from '../events/registration.ts'

/** What an issuers file says of one client; of what is missing the registration, or the issuer, decides. */
export interface ClientSettings {
  readonly clientId: string
  readonly backchannelLogoutUri?: string
  readonly sessionRequired?: boolean
  readonly alg?: TokenAlgorithm
  /** The header type of its tokens; no record decides it. Default: `logout+jwt`. */
  readonly typ?: TokenType
  readonly claims?: SubjectClaims
  /** Where its tokens may go: hosts as in `CLIENT_HOSTS`. Default: anywhere. */
  readonly hosts?: readonly string[]
}

/** What an issuers file says of one issuer, or of all that a pattern means. */
export interface IssuerSettings {
  /** The `iss` of the tokens, byte for byte. With `{tenant}` in it, a pattern. */
  readonly issuer: string
  /** What the platform calls it in its records. Never for a pattern. */
  readonly aliases: readonly string[]
  readonly isEnabled: boolean
  /** Absolute path of the signing keys; with `{tenant}` in it for a pattern. */
  readonly keysFile: string
  /** Absolute path of the folder that `keysFile` must not leave, links followed; missing where it may lie anywhere. */
  readonly keysFolder: string | undefined
  /** The option that names the file, where an option does. */
  readonly keysOption?: string
  /** Milliseconds. Default: 120 s. */
  readonly tokenLifetimeMs?: number
  /** Of clients and registrations that name none. Default: RS256. */
  readonly alg?: TokenAlgorithm
  readonly signedOutWithoutSession?: 'fan-out' | 'ignore'
  /** Added to what the options allow all issuers. */
  readonly egressAllow: readonly string[]
  /** How long a delivery is tried. Milliseconds. Default: the option's. */
  readonly deadlineMs?: number
  readonly clients: readonly ClientSettings[]
}

export function isPattern({ issuer }: Pick<IssuerSettings, 'issuer'>): boolean {
  return issuer.includes('{tenant}')
}
