/** A URI for people: its query may hold a secret, and so do credentials. */
export function shownUri(uri: string): string {
  if (!URL.canParse(uri)) return '(not a URI)'
  const { protocol, host, pathname, search } = new URL(uri)
  return `${protocol}//${host}${pathname}${search === '' ? '' : '?…'}`
}

/** `REDIS_URL` for people: everything but its password. */
export function shownRedisUrl(text: string): string {
  const { protocol, username, password, host, pathname } = new URL(text)
  const credentials = username === '' && password === '' ? '' : `${username}${password && ':***'}@`
  return `${protocol}//${credentials}${host}${pathname}`
}
