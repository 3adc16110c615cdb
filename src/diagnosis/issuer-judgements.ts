import type { DocumentAnswer } from '../egress/fetch-document.ts'
import { discoveryUri } from '../token/discovery-uri.ts'
import { hint, type Judgement, measuredText, ok, problem, unknown, warning } from './judgement.ts'
import { shownUri } from './shown-uri.ts'

type Metadata = Readonly<Record<string, unknown>>

const SKEW_WARNING_MS = 5_000
/** Half of a token's life, and more than RPs usually forgive. */
const SKEW_PROBLEM_MS = 60_000

/** RPs compare `iss` with what stands here, byte for byte. */
export function judgeDiscovery(issuer: string, { issuer: published }: Metadata): Judgement {
  if (published === issuer) return ok(`${shownUri(discoveryUri(issuer))} names the same issuer`)
  const named = typeof published === 'string' ? `"${published.slice(0, 200)}"` : 'none'
  return problem(
    `the issuer in the metadata is ${named}, in ISSUER "${issuer}": RPs compare them byte for byte, and refuse every token`,
    'set ISSUER to what stands in the metadata and in the ID tokens; give registrations and triggers the same issuer',
  )
}

/** OIDC BCL 1.0 §2.1: by these an RP learns that it may ask for logouts. */
export function judgeLogoutSupport(metadata: Metadata): Judgement {
  if (metadata.backchannel_logout_supported !== true) {
    return warning(
      'the metadata do not say backchannel_logout_supported: RPs that configure themselves from them do not ask for logouts',
      'set backchannel_logout_supported and backchannel_logout_session_supported in the metadata of the provider, where it lets you',
    )
  }
  if (metadata.backchannel_logout_session_supported !== true) {
    return hint(
      'the metadata do not say backchannel_logout_session_supported: RPs may not expect a sid',
      'set it, where the provider lets you',
    )
  }
  return ok('backchannel_logout_supported, backchannel_logout_session_supported')
}

/**
 * How far this machine's clock is from the issuer's. RPs hold `iat` and `exp` against their own clocks, which follow
 * the same time as the issuer's, one hopes. The header has whole seconds, and the way there and back takes its time.
 */
export function judgeClock(answer: DocumentAnswer): Judgement {
  if (answer.kind === 'unreachable') return unknown('the issuer could not be reached')
  const { date = '', age = '0', sentAtMs, answeredAtMs } = answer
  const dateMs = Date.parse(date)
  if (Number.isNaN(dateMs))
    return hint('the issuer tells no time', 'keep the clocks of provider and relay by NTP')
  // What a cache serves has the date at which it was stored.
  const issuerMs = dateMs + 500 + Number(age) * 1_000
  const skewMs = (sentAtMs + answeredAtMs) / 2 - issuerMs
  const unsureMs = 500 + (answeredAtMs - sentAtMs) / 2
  const size = Math.max(0, Math.abs(skewMs) - unsureMs)
  if (size <= SKEW_WARNING_MS) return ok("this machine's clock and the issuer's agree")
  const ahead = skewMs > 0
  const found = `this machine's clock is about ${measuredText(Math.abs(skewMs))} ${ahead ? 'ahead of' : 'behind'} the issuer's`
  const mend = 'set both clocks by NTP'
  if (size <= SKEW_PROBLEM_MS) return warning(`${found}: strict RPs refuse such tokens`, mend)
  const how = ahead
    ? 'to RPs the tokens come from the future'
    : 'the tokens expire before or soon after they arrive'
  return problem(`${found}: ${how}, and they refuse them`, mend)
}
