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
        text: `registrations or settings of ${clientId} ask for ${typeText(note.asked)}; the relay signs logout+jwt instead`,
        remedy:
          'list the client in TOKEN_TYPE_JWT_CLIENTS if its RP accepts only JWT; else remove typ where it is set',
      }
    case 'origin-overridden':
      return {
        check: 'client-origin',
        about: clientId,
        severity: 'warning',
        text: `settings of ${clientId} in Redis send its logouts to ${note.to}, but its registrations name ${note.from}`,
        remedy: `${IF_MEANT}; else correct or remove backchannelLogoutUri in its lr:client key, and find out who wrote it`,
      }
    case 'origin-changed':
      return {
        check: 'client-origin',
        about: clientId,
        severity: 'hint',
        text: `logouts of ${clientId} now go to ${note.to}, not to ${note.from} as before`,
        remedy: `${IF_MEANT}; else find out who writes its registrations`,
      }
    case 'host-refused':
      return {
        check: 'client-origin',
        about: clientId,
        severity: 'warning',
        text: `CLIENT_HOSTS does not allow logouts of ${clientId} to ${note.to}`,
        remedy: 'add the host to CLIENT_HOSTS if it is right; else find out who wrote that URI',
      }
    case 'egress-refused':
      return {
        check: 'client-origin',
        about: clientId,
        severity: 'warning',
        text: `the egress guard refuses logouts of ${clientId} to ${note.to}, so they are parked: ${note.why}`,
        remedy:
          'correct the DNS name or EGRESS_ALLOW before their deadline; else find out who wrote that URI',
      }
    case 'registered-refused':
      return {
        check: 'client-egress',
        about: clientId,
        severity: 'warning',
        text: `the egress guard would refuse logouts of ${clientId} to ${note.to}, where it is registered: ${note.why}`,
        remedy:
          'correct the DNS name or EGRESS_ALLOW before its users log out; else find out who wrote that URI',
      }
    default:
      return note satisfies never
  }
}

const IF_MEANT = 'list the hosts of the client in CLIENT_HOSTS if that is right'

/** What was asked for may be anything, so it is not repeated. */
function typeText(asked: string): string {
  return /^(application\/)?jwt$/i.test(asked) ? 'the token type JWT' : 'another token type'
}

export const clientChecks = (['client-token-type', 'client-origin', 'client-egress'] as const).map(
  (name): Check<readonly NotedClient[]> => ({
    name,
    runs: 'always',
    find: (noted) => noted.map(findingOfClient).filter(({ check }) => check === name),
  }),
)
