import { tlsRefusal } from '../diagnosis/network-fault.ts'
import { messageOf, RelayFault } from '../lib/errors.ts'

const TLS_OPTIONS = { ca: 'REDIS_TLS_CA_FILE', cert: 'REDIS_TLS_CERT_FILE' }

/**
 * Why Redis does not let the relay in, as a fault `LR_REFUSED` that names it and its remedy; any other error is returned
 * as it is.
 */
export function explained(error: unknown): unknown {
  const reason = reasonOf(messageOf(error)) ?? tlsRefusal(error, TLS_OPTIONS)
  return reason === undefined ? error : new RelayFault('LR_REFUSED', `Redis: ${reason}`, { cause: error })
}

/** What the client library says of a connection that is gone names its own options, which mean nothing to an operator. */
export function inPlainWords(error: unknown): unknown {
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
