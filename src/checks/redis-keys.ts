import type { PrefixedKey, RedisFacts } from './facts.ts'
import { type Finding, unreadHint } from './finding.ts'

const check = 'redis-keys'
const EXAMPLES_MAX = 3
const KEY_CHARACTERS_MAX = 100

/** Keys under the relay's prefix that are not what the layout says: somebody else writes there. */
export function checkRedisKeys({
  prefix,
  prefixedKeys,
}: Pick<RedisFacts, 'prefix' | 'prefixedKeys'>): Finding[] {
  if ('unread' in prefixedKeys) {
    const mend = 'let the user of REDIS_URL run SCAN and TYPE'
    return [unreadHint(check, prefixedKeys, { what: `the keys under ${prefix}:`, mend })]
  }
  const wrong = prefixedKeys.value.filter(({ type, expected }) => expected !== undefined && type !== expected)
  const unknown = prefixedKeys.value.filter(({ expected }) => expected === undefined)
  return [
    ...wrong.filter(({ isSingle }) => isSingle).map(blocking),
    ...wrongEntries(wrong.filter(({ isSingle }) => !isSingle)),
    ...unknownKeys(prefix, unknown),
  ]
}

function blocking({ key, type, expected }: PrefixedKey): Finding {
  return {
    check,
    about: key,
    severity: 'error',
    message: `the key ${key} holds a ${type} where the relay keeps a ${expected}: every command on it fails`,
    mend: `find out who writes it; delete or rename it, or give this relay another REDIS_PREFIX`,
  }
}

function wrongEntries(keys: readonly PrefixedKey[]): Finding[] {
  if (keys.length === 0) return []
  const found = keys.map(({ key, type, expected }) => `${cut(key)} (a ${type}, not a ${expected})`)
  const summary = 'keys with a wrong type, whose logouts cannot be sent'
  return [
    {
      check,
      about: 'type',
      severity: 'warning',
      message: `${summary}: ${examples(found)}`,
      summary,
      mend: 'find out who writes them, and delete or rename them',
    },
  ]
}

function unknownKeys(prefix: string, keys: readonly PrefixedKey[]): Finding[] {
  if (keys.length === 0) return []
  const summary = `keys under ${prefix}: that are not the relay's`
  return [
    {
      check,
      about: 'unknown',
      severity: 'warning',
      message: `${summary}: ${examples(keys.map(({ key }) => cut(key)))}`,
      summary,
      mend: 'give their application, or this relay by REDIS_PREFIX, another prefix, before their keys meet',
    },
  ]
}

function examples(texts: readonly string[]): string {
  const more = texts.length - EXAMPLES_MAX
  return texts.slice(0, EXAMPLES_MAX).join(', ') + (more > 0 ? ` and ${more} more of those looked at` : '')
}

function cut(key: string): string {
  return key.length <= KEY_CHARACTERS_MAX ? key : `${key.slice(0, KEY_CHARACTERS_MAX)}…`
}
