import type { Check } from './check.ts'
import type { NotedClient } from './client-notes.ts'
import type { Finding } from './finding.ts'

/** What others want for a client that its operator has not laid down. */
export function findingOfClient({ clientId, note }: NotedClient): Finding {
  switch (note.kind) {
    case 'type-ignored':
      return {
        check: 'client-token-type',
        about: clientId,
        severity: 'warning',
        text: `registrations or settings of ${clientId} ask for tokens of ${typeText(note.asked)}; they are signed as logout+jwt`,
        remedy:
          'list the client in TOKEN_TYPE_JWT_CLIENTS if its RP takes nothing but JWT; else find out who asks, and take typ out',
      }
    case 'origin-overridden':
      return {
        check: 'client-origin',
        about: clientId,
        severity: 'warning',
        text: `settings of ${clientId} in Redis send its logouts to ${note.to}, while its registrations say ${note.from}`,
        remedy: `${IF_MEANT}; else correct or remove backchannelLogoutUri of its lr:client key, and find out who wrote it`,
      }
    case 'origin-changed':
      return {
        check: 'client-origin',
        about: clientId,
        severity: 'hint',
        text: `logouts of ${clientId} went to ${note.from} before, and go to ${note.to} now`,
        remedy: `${IF_MEANT}; else find out who writes its registrations`,
      }
    case 'host-refused':
      return {
        check: 'client-origin',
        about: clientId,
        severity: 'warning',
        text: `logouts of ${clientId} were to go to ${note.to}, which CLIENT_HOSTS does not allow`,
        remedy: 'add the host to CLIENT_HOSTS if it is meant; else find out who wrote that URI',
      }
    case 'egress-refused':
      return {
        check: 'client-origin',
        about: clientId,
        severity: 'warning',
        text: `logouts of ${clientId} to ${note.to} were refused by the egress guard, and are parked: ${note.why}`,
        remedy:
          'correct the name in the DNS, or EGRESS_ALLOW, before their deadline; else find out who wrote that URI',
      }
    default:
      return note satisfies never
  }
}

const IF_MEANT = 'if that is meant, list the hosts of the client in CLIENT_HOSTS'

/** What was asked for may be anything, so it is not repeated. */
function typeText(asked: string): string {
  return /^(application\/)?jwt$/i.test(asked) ? 'the type JWT' : 'another type'
}

export const clientChecks = (['client-token-type', 'client-origin'] as const).map(
  (name): Check<readonly NotedClient[]> => ({
    name,
    runs: 'always',
    find: (noted) => noted.map(findingOfClient).filter(({ check }) => check === name),
  }),
)
