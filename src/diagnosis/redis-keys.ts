import { counted } from '../lib/counted.ts'
import type { PrefixedKey, RedisFacts } from './facts.ts'
import { type Found, ok, unreadHint } from './finding.ts'

const EXAMPLES_MAX = 3
const KEY_CHARACTERS_MAX = 100

/** Keys under the relay's prefix that are not what the layout says: somebody else writes there. */
export function checkRedisKeys({
  prefix,
  prefixedKeys,
}: Pick<RedisFacts, 'prefix' | 'prefixedKeys'>): Found[] {
  if ('unread' in prefixedKeys) {
    return [
      unreadHint(
        `the keys under ${prefix}:`,
        prefixedKeys,
        'allow the user of REDIS_URL to run SCAN and TYPE',
      ),
    ]
  }
  const wrong = prefixedKeys.value.filter(({ type, expected }) => expected !== undefined && type !== expected)
  const unknown = prefixedKeys.value.filter(({ expected }) => expected === undefined)
  const found = [
    ...wrong.filter(({ isSingle }) => isSingle).map(blocking),
    ...wrongEntries(
      prefix,
      wrong.filter(({ isSingle }) => !isSingle),
    ),
    ...strangeEntries(prefixedKeys.value),
    ...largeSessions(prefixedKeys.value),
    ...oversizeKeys(prefixedKeys.value),
    ...unknownKeys(prefix, unknown),
  ]
  if (found.length > 0) return found
  return [
    ok(`${counted(prefixedKeys.value.length, 'key')} read under ${prefix}:, all with the expected type`),
  ]
}

function blocking({ key, type, expected }: PrefixedKey): Found {
  return {
    about: key,
    severity: 'error',
    text: `the key ${key} holds a ${type} instead of a ${expected}, so every command on it fails`,
    remedy: `delete or rename it, or set another REDIS_PREFIX for this relay; find out who writes it`,
  }
}

const rebuilt = (prefix: string) =>
  `then delete ${prefix}:epoch, so that a relay rebuilds Redis from the topic`

/** What follows from a wrong type at a key of one session, user or RP, and what to do beside removing it. */
const consequences: Readonly<Record<string, readonly [what: string, then: (prefix: string) => string]>> = {
  backlog: [
    'deliveries to that RP cannot be parked, so they end as failed: invalid',
    () => 'then run logout-relay reconcile for the deliveries parked there, and logout-relay replay --failed',
  ],
  client: ['the settings of that RP are ignored', () => 'then write its settings again'],
  session: ['its records become dead letters', rebuilt],
  'signed-out': [
    'the sign-out of that user does not end late registrations',
    () => 'then send the sign-out again',
  ],
  user: ['a sign-out of that user without a session becomes a dead letter', rebuilt],
}
const alike: Readonly<Record<string, string>> = { 'backlog-state': 'backlog', ended: 'session' }

/** By what follows from them. */
function wrongEntries(prefix: string, keys: readonly PrefixedKey[]): Found[] {
  const kindOf = ({ key }: PrefixedKey) => {
    const [kind = ''] = key.slice(prefix.length + 1).split(':', 1)
    return alike[kind] ?? kind
  }
  return [...Map.groupBy(keys, kindOf)].map(([kind, all]) => {
    const [what, then] = consequences[kind] ?? ['', rebuilt]
    const found = all.map(({ key, type, expected }) => `${cut(key)} (a ${type}, not a ${expected})`)
    const summary = `keys with a wrong type: ${what}`
    return {
      about: `type ${kind}`,
      severity: 'warning',
      text: `${summary}: ${examples(found)}`,
      summary,
      remedy: `delete or rename them, and find out who writes them; ${then(prefix)}`,
    }
  })
}

function strangeEntries(keys: readonly PrefixedKey[]): Found[] {
  const strange = keys.filter(({ setAside = 0 }) => setAside > 0)
  if (strange.length === 0) return []
  const summary = 'unknown entries in backlogs, set aside at the due time +inf'
  return [
    {
      about: 'entries',
      severity: 'warning',
      text: `${summary}: ${examples(strange.map(({ key, setAside }) => `${setAside} in ${cut(key)}`))}`,
      summary,
      remedy:
        'remove them (ZREMRANGEBYSCORE <key> +inf +inf), then run logout-relay reconcile to send their logouts; find out who writes them',
    },
  ]
}

function largeSessions(keys: readonly PrefixedKey[]): Found[] {
  const large = keys.filter(({ isFull }) => isFull === true)
  if (large.length === 0) return []
  const summary = 'sessions with the maximum of registrations: further ones become dead letters'
  return [
    {
      about: 'registrations',
      severity: 'warning',
      text: `${summary}: ${examples(large.map(({ key }) => cut(key)))}`,
      summary,
      remedy: 'find out why one session is registered so often; end it, or run logout-relay sessions remove',
    },
  ]
}

function oversizeKeys(keys: readonly PrefixedKey[]): Found[] {
  const oversize = keys.filter(({ isOversize }) => isOversize === true)
  if (oversize.length === 0) return []
  const summary = 'keys with an entry that is too large: the relay ignores that entry'
  return [
    {
      about: 'size',
      severity: 'warning',
      text: `${summary}: ${examples(oversize.map(({ key }) => cut(key)))}`,
      summary,
      remedy: 'remove the entry, then end that session or sign that user out again; find out who writes it',
    },
  ]
}

function unknownKeys(prefix: string, keys: readonly PrefixedKey[]): Found[] {
  if (keys.length === 0) return []
  const summary = `keys under ${prefix}: that are not the relay's`
  return [
    {
      about: 'unknown',
      severity: 'warning',
      text: `${summary}: ${examples(keys.map(({ key }) => cut(key)))}`,
      summary,
      remedy: 'set another prefix for that application, or another REDIS_PREFIX for this relay',
    },
  ]
}

function examples(texts: readonly string[]): string {
  const more = texts.length - EXAMPLES_MAX
  return texts.slice(0, EXAMPLES_MAX).join(', ') + (more > 0 ? ` and ${more} more` : '')
}

function cut(key: string): string {
  return key.length <= KEY_CHARACTERS_MAX ? key : `${key.slice(0, KEY_CHARACTERS_MAX)}…`
}
