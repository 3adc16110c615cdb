import { printable } from '../lib/printable.ts'
import { differenceText } from './difference-text.ts'
import type { Expectations, RedisFacts } from './facts.ts'
import { type Found, hint, ok, warning } from './finding.ts'

const NAME_CHARACTERS_MAX = 200

/**
 * Whether the store belongs to the issuers of this relay. A relay with a slightly wrong issuer would skip every trigger, and
 * its positions would move all the same; so it is an error where nothing in the store is of an issuer of this relay.
 */
export function checkStoreOwners(
  { prefix, owners }: Pick<RedisFacts, 'prefix' | 'owners'>,
  { hasIssuersFile, issuers }: Pick<Expectations, 'hasIssuersFile' | 'issuers'>,
): Found[] {
  // That keys cannot be listed is told once, by the check of the relay's own.
  if ('unread' in owners) return []
  const { hasOwn, others, wasEmpty } = owners.value
  const own = issuers()
  if (others.size === 0)
    return [
      ok(
        hasOwn
          ? `the keys read under ${prefix}: belong to issuers of this relay`
          : `no session of another issuer was met under ${prefix}:`,
      ),
    ]
  const twins = [...others.keys()].flatMap((other) => {
    const twin = own.find((it) => spelling(it) === spelling(other))
    return twin === undefined ? [] : [[other, twin] as const]
  })
  const [other, served] = twins[0] ?? [mostOf(others), own[0]]
  const name = printable(other.slice(0, NAME_CHARACTERS_MAX))
  const differs = served === undefined ? '' : `, it serves ${served} (${differenceText(name, served)})`
  const more = others.size > 1 ? ` and ${others.size - 1} more` : ''
  const ifMeant = `another REDIS_PREFIX, or list ${name} in ISSUERS_FILE`
  const same = hasIssuersFile ? `the issuer in ISSUERS_FILE` : 'ISSUER'
  if (!hasOwn) {
    const found = warning(
      `all sessions in this Redis are of issuers that this relay does not serve: ${name}${more}${differs}`,
      `set ${same} to ${name} if it is the same provider; else set ${ifMeant}`,
    )
    return [{ ...found, severity: twins.length > 0 || !wasEmpty ? 'error' : 'warning' }]
  }
  const text = `Redis holds sessions of issuers that this relay does not serve: ${name}${more}${twins.length > 0 ? differs : ''}`
  if (twins.length > 0)
    return [warning(text, `find out who writes ${name}: its logouts are not sent; else set ${ifMeant}`)]
  return [hint(text, `if their logouts are not sent by another relay, set ${ifMeant}`)]
}

/** The same for two ways to write one issuer: another scheme, case or port, or a slash at the end. */
function spelling(issuer: string): string {
  return issuer
    .toLowerCase()
    .replace(/^https?:\/\//, '')
    .replace(/:(80|443)(?=\/|$)/, '')
    .replace(/\/+$/, '')
}

function mostOf(others: ReadonlyMap<string, number>): string {
  return [...others].reduce((most, it) => (it[1] > most[1] ? it : most))[0]
}
