import { type ClientHost, parseClientHost } from '../egress/client-host.ts'
import type { EgressGuard } from '../egress/egress-guard.ts'
import type { SubjectClaims, TokenAlgorithm, TokenType } from '../events/registration.ts'
import type { Clock } from '../lib/clock.ts'
import { RelayFault } from '../lib/errors.ts'
import type { ClientSettings, IssuerSettings, RetrySettings } from './issuer-settings.ts'
import type { KeyFileOwners } from './key-file-owners.ts'
import { LocalSigner } from './signing/local-signer.ts'
import type { RsaThreads } from './signing/rsa-threads.ts'
import type { SigningKey } from './signing/signing-key.ts'
import { SigningKeys } from './signing/signing-keys.ts'
import type { TokenSigner } from './signing/token-signer.ts'

/** What holds for an issuer whose settings do not say otherwise. */
export interface IssuerDefaults {
  readonly signedOutWithoutSession: 'fan-out' | 'ignore'
  /** How long a delivery is tried. Milliseconds. */
  readonly deadlineMs: number
}

/** A client as its issuer is configured for it. */
interface ConfiguredClient {
  readonly settings: Omit<ClientSettings, 'clientId' | 'typ' | 'hosts'>
  readonly isJwtTyped: boolean
  readonly hosts: readonly ClientHost[] | undefined
}

export interface IssuerParts {
  readonly settings: IssuerSettings
  readonly defaults: IssuerDefaults
  readonly egress: EgressGuard
  readonly clock: Clock
  readonly owners: KeyFileOwners
  readonly rsa: RsaThreads
}

/** What is known of what an issuer publishes of itself. Of what is not known nothing is claimed. */
export interface IssuerSight {
  /** Its own metadata name another issuer, so RPs refuse every token. */
  readonly isMisnamed: boolean
  /** Its keys that RPs do not find in its JWK set, or not as what they are. */
  readonly absent: ReadonlySet<SigningKey>
}

const UNSEEN: IssuerSight = { isMisnamed: false, absent: new Set() }
const TOKEN_LIFETIME_MS = 120_000
/** Of an issuer that is not enabled, or no longer configured: a file of its name may be another's by now. */
const NOBODY: TokenSigner = {
  sign: (_header, _payload, done) => done(new RelayFault('LR_UNAVAILABLE', 'the issuer is not enabled')),
}

/** One tenant: everything that may differ between issuers, found once per record or attempt. */
export class Issuer {
  /** The `iss` of its tokens. */
  readonly id: string
  readonly isEnabled: boolean
  /** Set anew when they say the same in another place. */
  settings: IssuerSettings
  readonly signedOutWithoutSession: 'fan-out' | 'ignore'
  readonly deadlineMs: number
  /** Where it differs from what holds for all. */
  readonly retry: RetrySettings | undefined
  readonly tokenLifetimeMs: number
  /** Of clients and registrations that name none (OIDC BCL 1.0 §2.4, as for ID tokens). */
  readonly alg: TokenAlgorithm
  /** The one that its settings say its keys sign. */
  readonly expectedAlg: TokenAlgorithm | undefined
  /** Of clients and registrations that name none. */
  readonly claims: SubjectClaims | undefined
  readonly egress: EgressGuard
  /** Of a client that its settings do not name. */
  readonly #anyClient: ConfiguredClient
  readonly #clients: ReadonlyMap<string, ConfiguredClient>
  readonly keys: SigningKeys
  readonly signer: TokenSigner
  #sight: IssuerSight

  /** `before`: the same issuer under its former settings, whose keys stay in force where the file is the same. */
  constructor({ settings, defaults, egress, clock, owners, rsa }: IssuerParts, before?: Issuer) {
    this.settings = settings
    this.id = settings.issuer
    this.isEnabled = settings.isEnabled
    this.signedOutWithoutSession = settings.signedOutWithoutSession ?? defaults.signedOutWithoutSession
    this.deadlineMs = settings.deadlineMs ?? defaults.deadlineMs
    this.retry = settings.retry
    this.claims = settings.claims
    this.tokenLifetimeMs = settings.tokenLifetimeMs ?? TOKEN_LIFETIME_MS
    this.alg = settings.alg ?? 'RS256'
    this.expectedAlg = settings.alg
    this.egress = egress
    this.#anyClient = configured({}, settings.typ)
    this.#clients = new Map(settings.clients.map((it) => [it.clientId, configured(it, settings.typ)]))
    const isSameFile =
      before?.settings.keysFile === settings.keysFile &&
      before.settings.isKeysDirectory === settings.isKeysDirectory &&
      before.settings.keysFolder === settings.keysFolder
    this.keys =
      before !== undefined && isSameFile
        ? before.keys
        : new SigningKeys(settings.keysFile, clock, owners.bounds(settings))
    this.signer = settings.isEnabled ? new LocalSigner(this.keys, rsa) : NOBODY
    this.#sight = before === undefined ? UNSEEN : before.#sight
  }

  sees(sight: IssuerSight): void {
    this.#sight = sight
  }

  /** RPs refuse all its tokens, because its own metadata name another issuer. */
  get isMisnamed(): boolean {
    return this.#sight.isMisnamed
  }

  /** RPs are known not to find the key that signs for a client which asks for that algorithm. */
  isUnverifiable(alg: TokenAlgorithm = this.alg): boolean {
    const { absent } = this.#sight
    if (absent.size === 0) return false
    try {
      return absent.has(this.keys.keyFor(alg))
    } catch {
      return false
    }
  }

  /** Whether its keys sign what its settings say; also before they were read. */
  get isSigning(): boolean {
    const { expectedAlg, keys } = this
    return (
      expectedAlg === undefined ||
      !keys.isLoaded ||
      keys.all.some((it) => it.algorithms.includes(expectedAlg))
    )
  }

  client(clientId: string): ConfiguredClient {
    return this.#clients.get(clientId) ?? this.#anyClient
  }
}

/** `ofIssuer`: the type of tokens of clients that name none. */
function configured(
  { clientId, typ, hosts, ...rest }: Partial<ClientSettings>,
  ofIssuer: TokenType | undefined,
): ConfiguredClient {
  return {
    settings: rest,
    isJwtTyped: (typ ?? ofIssuer) === 'JWT',
    hosts: hosts?.flatMap((host) => parseClientHost(`${clientId}=${host}`) ?? []),
  }
}
