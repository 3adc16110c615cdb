const LENGTH_MAX = 200
/** A compact JWS, as an RP may echo it in its error. */
const TOKEN = /eyJ[\w-]*(\.[\w-]*)*/g

/**
 * One line about a failed attempt, for the outcome and the log: the code, and what the RP or the network said, cut
 * short. RPs echo what they were sent, so anything that looks like a token is taken out.
 */
export function errorText(code: string, detail: string | undefined): string {
  const said = detail === undefined ? '' : (oauthError(detail) ?? detail)
  const line = said
    .replace(TOKEN, '[token]')
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
  const text = line === '' || line.startsWith(code) ? line || code : `${code}: ${line}`
  return text.length > LENGTH_MAX ? `${text.slice(0, LENGTH_MAX - 1)}…` : text
}

/** The JSON that OIDC BCL 1.0 §2.8 suggests for an error's body. */
function oauthError(body: string): string | undefined {
  if (!body.startsWith('{')) return undefined
  try {
    const { error, error_description: description } = JSON.parse(body) as Record<string, unknown>
    if (typeof error !== 'string') return undefined
    return typeof description === 'string' ? `${error}: ${description}` : error
  } catch {
    return undefined
  }
}
