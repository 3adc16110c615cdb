const LENGTH_MAX = 300
/** The part of a key in Redis that names a session or a user, to its end where it was cut. */
const HASH_TAG = /\{[^{}]*\|[^{}]*(\}|$)/g
/** A compact JWS. */
const TOKEN = /eyJ[\w-]*(\.[\w-]*)*/g

/** A text of somebody else's, such as an error of Redis, as it may stand on the status page. */
export function withoutIdentifiers(text: string): string {
  const clean = text
    .replace(HASH_TAG, '{…}')
    .replace(TOKEN, '[token]')
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
  return clean.length > LENGTH_MAX ? `${clean.slice(0, LENGTH_MAX - 1)}…` : clean
}
