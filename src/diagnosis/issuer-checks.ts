import type { Check } from './check.ts'
import type { Found, Severity } from './finding.ts'
import type { IssuerLookFacts, SeenIssuer } from './issuer-looks.ts'

/** Issuers that are told of at one time by one check; those with errors and warnings first. */
const TOLD_MAX = 20

/**
 * What a running relay says of the documents of its issuers. What is wrong with one of several concerns that one alone, so
 * it is an error only where no issuer is well; what could not be read is at most a warning.
 */
export const issuerChecks: readonly Check<IssuerLookFacts>[] = [
  {
    name: 'issuer-known',
    runs: 'always',
    find: (facts) =>
      ofEach(facts, ({ isMisnamed, named }) =>
        atMost(named, isMisnamed && !facts.isSomeNamedRight ? 'error' : 'warning'),
      ),
  },
  {
    name: 'key-published',
    runs: 'always',
    find: (facts) =>
      ofEach(facts, ({ keys }) =>
        keys.flatMap(({ found, isDefault, isPressing, key }) => {
          const isError = isDefault && isPressing && !facts.isSomeVerifiable
          return atMost({ ...found, about: key.kid }, isError ? 'error' : 'warning')
        }),
      ),
  },
  {
    name: 'issuer-discovery',
    runs: 'always',
    find: (facts) => ofEach(facts, ({ unread }) => atMost(unread.discovery, 'hint')),
  },
  {
    name: 'issuer-jwks',
    runs: 'always',
    find: (facts) => ofEach(facts, ({ unread }) => atMost(unread.keySet, 'warning')),
  },
]

function ofEach(
  { hasSeveral, seen }: IssuerLookFacts,
  find: (issuer: SeenIssuer) => readonly Found[],
): readonly Found[] {
  const found = seen.flatMap((issuer) =>
    find(issuer).map((it) => {
      if (!hasSeveral) return it
      return { ...it, about: it.about === undefined ? issuer.id : `${issuer.id} ${it.about}` }
    }),
  )
  return found.sort((a, b) => rank(a.severity) - rank(b.severity)).slice(0, TOLD_MAX)
}

const ranks: readonly Severity[] = ['error', 'warning', 'hint', 'ok', 'unknown']

function rank(severity: Severity): number {
  return ranks.indexOf(severity)
}

/** The same finding, no more severe than that. */
function atMost(found: Found | undefined, severity: Severity): Found[] {
  if (found === undefined || found.severity === 'ok') return []
  return [rank(found.severity) < rank(severity) ? { ...found, severity } : found]
}
