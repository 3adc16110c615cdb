/** A parsed back-channel logout URI. */
export interface LogoutEndpoint {
  /** Scheme, host and port. Connections are kept per origin. */
  readonly origin: string
  /** Path and query, as in the request line. */
  readonly path: string
  /** The `Host` header if it differs from the origin: servers know themselves without a final dot. */
  readonly host?: string
}

const URI_LENGTH_MAX = 2_048

/**
 * What is wrong with a back-channel logout URI, or `undefined`. It must be absolute and without a fragment; its query is kept
 * (OIDC BCL 1.0 §2.2). Credentials are refused, because proxies would log them.
 */
export function endpointProblem(uri: string): string | undefined {
  if (uri.length > URI_LENGTH_MAX) return 'must have at most 2,048 characters'
  // WHATWG parsing repairs these silently, but a URI that needs repair is a mistake at registration.
  if (/[\s\\]/.test(uri)) return 'must not contain white space or a backslash'
  let url: URL
  try {
    url = new URL(uri)
  } catch {
    return 'must be an absolute URI'
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'must be an https (or http) URI'
  if (!/^https?:\/\/[^/]/i.test(uri)) return 'must be an absolute URI with a host'
  if (uri.includes('#')) return 'must not have a fragment'
  if (url.username !== '' || url.password !== '' || /^https?:\/\/[^/?]*@/i.test(uri)) {
    return 'must not contain credentials'
  }
  return undefined
}

const CACHE_SIZE_MAX = 10_000
const cache = new Map<string, LogoutEndpoint>()

/** Parses a URI that `endpointProblem` accepts. Cached: an RP has one URI and thousands of sessions. */
export function logoutEndpoint(uri: string): LogoutEndpoint {
  let endpoint = cache.get(uri)
  if (endpoint === undefined) {
    const url = new URL(uri)
    const host = url.host.replace(/\.(?=:|$)/, '')
    endpoint = { origin: url.origin, path: url.pathname + url.search, ...(host !== url.host && { host }) }
    // Clearing suffices as eviction: the URIs in use return at the cost of one parse each.
    if (cache.size >= CACHE_SIZE_MAX) cache.clear()
    cache.set(uri, endpoint)
  }
  return endpoint
}
