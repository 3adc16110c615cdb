import { randomBytes } from 'node:crypto'
import type { JSONWebKeySet } from 'jose'
import Provider from 'oidc-provider'

const HOUR_SECONDS = 3_600

/** `oidc-provider` with its development login pages, and any user. `more`: of its configuration. */
export function createOidcProvider(issuer: string, jwks: JSONWebKeySet, more: object = {}): Provider {
  return withoutNotices(
    () =>
      new Provider(issuer, {
        jwks,
        cookies: { keys: [randomBytes(32).toString('hex')] },
        // Each default that is left out here would announce itself on the terminal when it is first used.
        ttl: Object.fromEntries(
          ['AccessToken', 'IdToken', 'Interaction', 'Session', 'Grant'].map((name) => [name, HOUR_SECONDS]),
        ),
        // By itself it calls nobody on loopback. That its own sender sends nothing must not be due to that.
        fetch: (url: string, { dispatcher: _, ...options }: RequestInit & { dispatcher?: unknown }) =>
          fetch(url, options),
        findAccount: (_context: unknown, id: string) => ({ accountId: id, claims: () => ({ sub: id }) }),
        features: {
          devInteractions: { enabled: true },
          // Without the feature the metadata of RPs is refused and ID tokens carry no `sid`.
          backchannelLogout: { enabled: true },
          rpInitiatedLogout: { enabled: true, logoutSource },
        },
        ...more,
      }),
  )
}

function logoutSource(context: { body: string }, form: string): void {
  context.body = `<!doctype html><title>Sign out</title>${form}
<button type="submit" form="op.logoutForm" name="logout" value="yes">Sign out everywhere</button>`
}

/** The provider warns that its in-memory store and login pages are not for production, which nobody here doubts. */
function withoutNotices<T>(create: () => T): T {
  const { warn } = console
  console.warn = () => undefined
  try {
    return create()
  } finally {
    console.warn = warn
  }
}
