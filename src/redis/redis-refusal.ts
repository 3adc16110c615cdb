import { tlsRefusal } from '../diagnosis/network-fault.ts'
import { messageOf, RelayFault } from '../lib/errors.ts'

const TLS_OPTIONS = { ca: 'REDIS_TLS_CA_FILE', cert: 'REDIS_TLS_CERT_FILE' }

/**
 * Turns Redis' refusal of a connection into a fault `LR_REFUSED` with the reason and the remedy. Returns any other error
 * unchanged.
 */
export function explainRefusal(error: unknown): unknown {
  const reason = reasonOf(messageOf(error)) ?? tlsRefusal(error, TLS_OPTIONS)
  return reason === undefined ? error : new RelayFault('LR_REFUSED', `Redis: ${reason}`, { cause: error })
}

/**
 * Replaces the client library's message about a lost connection: it names options of the library, which mean nothing to an
 * operator.
 */
export function hideClientWording(error: unknown): unknown {
  if (!/maxRetriesPerRequest|enableOfflineQueue|^Connection is closed/.test(messageOf(error))) return error
  return new RelayFault('LR_UNAVAILABLE', 'the connection to Redis was lost', { cause: error })
}

function reasonOf(message: string): string | undefined {
  if (message.startsWith('WRONGPASS') || /invalid (username-)?password/i.test(message)) {
    return 'it rejects the user or the password (WRONGPASS); correct REDIS_USERNAME and REDIS_PASSWORD, or those in REDIS_URL'
  }
  if (message.startsWith('NOAUTH')) {
    return 'it requires a password (NOAUTH); set REDIS_PASSWORD, and REDIS_USERNAME if it has users'
  }
  if (message.startsWith('NOPERM')) {
    return `${message}; grant the user the commands and keys that docs/configure.md lists`
  }
  return undefined
}
