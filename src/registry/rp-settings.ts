import type { SubjectClaims, TokenAlgorithm } from '../events/registration.ts'

/** Settings of one RP that override those of its registrations at the moment of sending. */
export interface RpSettings {
  readonly backchannelLogoutUri?: string
  readonly alg?: TokenAlgorithm
  /** What it asks for, as in a registration. */
  readonly typ?: string
  readonly claims?: SubjectClaims
  /** Its tokens always carry `sid`. */
  readonly sessionRequired?: boolean
}

export interface RpName {
  readonly issuer: string
  readonly clientId: string
}

/** Where RP settings are kept. Throws when the store cannot be reached; a broken entry reads as no settings. */
export interface RpSettingsStore {
  load(rps: readonly RpName[]): Promise<RpSettings[]>
}
