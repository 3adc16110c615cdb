import { counted, wordFor } from '../lib/counted.ts'
import { printable } from '../lib/printable.ts'

/** Why nothing here sends what is parked for an issuer: it is not configured, not enabled, or its own metadata name another. */
export type IssuerObstacle = 'unknown' | 'disabled' | 'misnamed'

/** An issuer for which deliveries are parked that this relay does not send. */
export interface WithheldIssuer {
  readonly issuer: string
  readonly why: IssuerObstacle
  readonly parked: number
  /** What is the case, and what to do about it, in words. */
  readonly text: string
  readonly remedy: string
}

/** What is parked for issuers for which this relay sends nothing. */
export interface Withheld {
  readonly parked: number
  /** Those with the most first, and how many there are. */
  readonly issuers: readonly WithheldIssuer[]
  readonly total: number
}

const SHOWN_MAX = 5
const NAME_CHARACTERS_MAX = 200

export const obstacleTexts: Readonly<Record<IssuerObstacle, string>> = {
  unknown: 'is not an issuer of this relay',
  disabled: 'is disabled here',
  misnamed: 'is named otherwise by its own metadata',
}

const remedies: Readonly<Record<IssuerObstacle, (issuer: string) => string>> = {
  unknown: (issuer) =>
    `list ${issuer} in ISSUERS_FILE if it is yours; ignore this if another relay with this REDIS_PREFIX serves it`,
  disabled: (issuer) =>
    `set enabled: true for ${issuer} in ISSUERS_FILE; or give them up: logout-relay backlog discard <client> --issuer ${issuer}`,
  misnamed: () => 'follow the finding issuer-known; they are sent when it is gone',
}

/** `undefined`: what is parked for the issuer is sent. Of an issuer that is not configured there is nothing to ask. */
export function obstacleOf(
  issuer: { readonly isEnabled: boolean; readonly isMisnamed: boolean } | undefined,
): IssuerObstacle | undefined {
  if (issuer === undefined) return 'unknown'
  if (!issuer.isEnabled) return 'disabled'
  return issuer.isMisnamed ? 'misnamed' : undefined
}

/** Of RPs with something parked, by issuer. */
export function withheldOf(
  rows: readonly { readonly issuer: string; readonly why: IssuerObstacle; readonly parked: number }[],
): Withheld {
  const issuers = [...Map.groupBy(rows, ({ issuer }) => issuer)]
    .map(([id, own]) => {
      // Whoever writes to Redis has chosen it.
      const issuer = printable(id.slice(0, NAME_CHARACTERS_MAX))
      const why = own[0]?.why ?? 'unknown'
      const parked = own.reduce((sum, it) => sum + it.parked, 0)
      const what = counted(parked, 'parked delivery', 'parked deliveries')
      const text = `${what} ${wordFor(parked, 'is', 'are')} not sent from here: ${issuer} ${obstacleTexts[why]}`
      return { issuer, why, parked, text, remedy: remedies[why](issuer) }
    })
    .sort((a, b) => b.parked - a.parked)
  return {
    parked: issuers.reduce((sum, { parked }) => sum + parked, 0),
    issuers: issuers.slice(0, SHOWN_MAX),
    total: issuers.length,
  }
}
