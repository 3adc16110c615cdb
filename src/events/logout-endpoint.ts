/** A back-channel logout URI, taken apart once. */
export interface LogoutEndpoint {
  /** Scheme, host and port: what connections are kept for. */
  readonly origin: string
  /** Path and query, as they go into the request line. */
  readonly path: string
  /** What the `Host` header says where it is not what the origin says: servers know themselves without a final dot. */
  readonly host?: string
}

const URI_LENGTH_MAX = 2_048

/**
 * What is wrong with a back-channel logout URI, or `undefined`. It must be absolute and without a fragment; its
 * query is kept (OIDC BCL 1.0 §2.2). Credentials are refused: they would end in logs of proxies.
 */
export function endpointProblem(uri: string): string | undefined {
  if (uri.length > URI_LENGTH_MAX) return 'must have at most 2,048 characters'
  // WHATWG parsing would repair these silently; a URI that needs repair is a mistake at registration.
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

/** Takes a URI that `endpointProblem` accepted apart. Cached: an RP has one URI and thousands of sessions. */
export function logoutEndpoint(uri: string): LogoutEndpoint {
  let endpoint = cache.get(uri)
  if (endpoint === undefined) {
    const url = new URL(uri)
    const host = url.host.replace(/\.(?=:|$)/, '')
    endpoint = { origin: url.origin, path: url.pathname + url.search, ...(host !== url.host && { host }) }
    // Emptying is enough of an eviction: the working set comes back at the price of one parse each.
    if (cache.size >= CACHE_SIZE_MAX) cache.clear()
    cache.set(uri, endpoint)
  }
  return endpoint
}
