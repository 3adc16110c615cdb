const REMEDY =
  'percent-encode user and password (% as %25, @ as %40, / as %2F, # as %23), or set REDIS_USERNAME and REDIS_PASSWORD'

/** What is wrong with a `REDIS_URL`, without a word of it, or `undefined`. */
export function redisUrlProblem(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (
    (url?.protocol !== 'redis:' && url?.protocol !== 'rediss:') ||
    url.hostname === '' ||
    url.port === '0'
  ) {
    return `must be a redis:// or rediss:// URL; ${REMEDY}`
  }
  if (![url.username, url.password].every(isDecodable))
    return `has a % that is not a percent-encoding; ${REMEDY}`
  if (!/^(\/\d*)?$/.test(url.pathname)) return 'must have only a database number after the host'
  return undefined
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}
