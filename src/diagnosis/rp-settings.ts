import type { RpSettings } from '../registry/rp-settings.ts'
import { type Judgement, ok, problem, warning } from './judgement.ts'
import { shownUri } from './shown-uri.ts'

/** Settings of an RP in Redis win over its registrations, so they may send its logouts elsewhere. */
export function judgeRpSettings(
  clientId: string,
  uri: string,
  settings: RpSettings,
  invalid: readonly string[],
): Judgement {
  if (invalid.length > 0) {
    return problem(
      `settings of ${clientId} in Redis are wrong and ignored: ${invalid.join('; ')}`,
      'correct or remove these fields of its lr:client key',
    )
  }
  const { backchannelLogoutUri, typ, ...rest } = settings
  if (backchannelLogoutUri !== undefined && backchannelLogoutUri !== uri) {
    return warning(
      `its settings in Redis send the logouts of ${clientId} to ${shownUri(backchannelLogoutUri)}, not to ${shownUri(uri)}`,
      'run the doctor with that URI; correct or remove backchannelLogoutUri of its lr:client key if it is out of date',
    )
  }
  if (typ !== undefined && typ !== 'logout+jwt') {
    return warning(
      `its settings in Redis name a typ for ${clientId}, which has no effect`,
      'list the client in TOKEN_TYPE_JWT_CLIENTS if its RP takes nothing but JWT; remove typ of its lr:client key',
    )
  }
  const fields = Object.entries({
    ...rest,
    ...(backchannelLogoutUri !== undefined && { backchannelLogoutUri: 'this one' }),
  })
  if (fields.length === 0) return ok(`Redis holds no settings of ${clientId}: its registrations decide`)
  return ok(`${clientId}: ${fields.map(([name, value]) => `${name} ${value}`).join(', ')}`)
}
