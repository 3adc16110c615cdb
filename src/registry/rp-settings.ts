import type { SubjectClaims, TokenAlgorithm } from '../events/registration.ts'

/** Settings of one RP. They override those of its registrations when a token is sent. */
export interface RpSettings {
  readonly backchannelLogoutUri?: string
  readonly alg?: TokenAlgorithm
  /** The requested header type, as in a registration. */
  readonly typ?: string
  readonly claims?: SubjectClaims
  /** Its tokens always carry `sid`. */
  readonly sessionRequired?: boolean
}

export interface RpName {
  readonly issuer: string
  readonly clientId: string
}

/** Stores RP settings. Throws when the store cannot be reached. A broken entry reads as no settings. */
export interface RpSettingsStore {
  load(rps: readonly RpName[]): Promise<RpSettings[]>
}
