import type { SubjectClaims, TokenAlgorithm, TokenType } from '../events/registration.ts'
import { RelayFault } from '../lib/errors.ts'

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

/** How deliveries are retried, where it is not as for all issuers. Times are milliseconds. */
export interface RetrySettings {
  readonly baseDelayMs?: number
  readonly maxDelayMs?: number
  readonly maxAttempts?: number
  readonly doubtfulDelaysMs?: readonly number[]
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
  /** It is a directory, whose files are read as one. */
  readonly isKeysDirectory?: true
  /** Absolute path of the folder that `keysFile` must not leave, links followed; missing where it may lie anywhere. */
  readonly keysFolder: string | undefined
  /** Of a tenant, its name, and the path of its pattern with `{tenant}` in it. */
  readonly ofPattern?: { readonly tenant: string; readonly keysFile: string }
  /** The option that names the file, where an option does. */
  readonly keysOption?: string
  /** Milliseconds. Default: 120 s. */
  readonly tokenLifetimeMs?: number
  /** Of clients and registrations that name none. Default: RS256. */
  readonly alg?: TokenAlgorithm
  /** The header type of tokens of clients whose settings name none. Default: `logout+jwt`. */
  readonly typ?: TokenType
  /** Of clients and registrations that name none. Default: `both`. */
  readonly claims?: SubjectClaims
  readonly signedOutWithoutSession?: 'fan-out' | 'ignore'
  /** Added to what the options allow all issuers. */
  readonly egressAllow: readonly string[]
  /** How long a delivery is tried. Milliseconds. Default: the option's. */
  readonly deadlineMs?: number
  readonly retry?: RetrySettings
  readonly clients: readonly ClientSettings[]
  /** Where it stands: file and line, for people. Missing where no file says it. */
  readonly place?: string
}

/** `LR_ISSUERS_INVALID`, with a line per problem. */
export class IssuersFault extends RelayFault {
  /** What is said of issuers with which nothing is wrong so far: their keys may still be. */
  readonly sound: readonly IssuerSettings[]

  constructor(lines: readonly string[], sound: readonly IssuerSettings[] = [], options?: ErrorOptions) {
    super('LR_ISSUERS_INVALID', lines.join('\n'), options)
    this.sound = sound
  }
}

/** Whether they say the same, wherever they stand. */
export function isSameSettings(a: IssuerSettings, b: IssuerSettings): boolean {
  return JSON.stringify({ ...a, place: undefined }) === JSON.stringify({ ...b, place: undefined })
}

/** What a pattern says of one of its tenants, whose `iss` is `issuer`. */
export function tenantSettings(pattern: IssuerSettings, tenant: string, issuer: string): IssuerSettings {
  const { keysFile } = pattern
  return {
    ...pattern,
    issuer,
    keysFile: keysFile.replaceAll('{tenant}', tenant),
    ofPattern: { tenant, keysFile },
  }
}

export function isPattern({ issuer }: Pick<IssuerSettings, 'issuer'>): boolean {
  return issuer.includes('{tenant}')
}
