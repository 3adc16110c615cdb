import { tlsRefusal } from '../diagnosis/network-fault.ts'
import { codeOf, messageOf, RelayFault } from '../lib/errors.ts'

const TLS_OPTIONS = { ca: 'REDIS_TLS_CA_FILE', cert: 'REDIS_TLS_CERT_FILE' }

/** By what the client library says; everything else that it says is about a connection that is gone. */
const clientTexts: readonly (readonly [RegExp, string])[] = [
  [/^(Socket timeout|Command timed out)/, 'Redis does not answer'],
  [/^Protocol error/, 'what answers there is not Redis'],
]

/**
 * Turns Redis' refusal of a connection into a fault `LR_REFUSED` with the reason and the remedy, and any other error into what
 * `inPlainWords` makes of it.
 */
export function explainRefusal(error: unknown): unknown {
  const reason = reasonOf(messageOf(error)) ?? tlsRefusal(error, TLS_OPTIONS)
  return reason === undefined
    ? inPlainWords(error)
    : new RelayFault('LR_REFUSED', `Redis: ${reason}`, { cause: error })
}

/**
 * Turns an error of the client library's own into a fault `LR_UNAVAILABLE`: it names options and queues of the library, which
 * mean nothing to an operator. Returns unchanged what Redis answered, what the system says, and faults of this program.
 */
export function inPlainWords(error: unknown): unknown {
  if (!isOfClient(error)) return error
  const [, text = 'the connection to Redis was lost'] =
    clientTexts.find(([pattern]) => pattern.test(error.message)) ?? []
  return new RelayFault('LR_UNAVAILABLE', text, { cause: error })
}

function isOfClient(error: unknown): error is Error {
  if (!(error instanceof Error) || codeOf(error) !== undefined) return false
  const isOfProgram = error instanceof TypeError || error instanceof RangeError
  return !isOfProgram && error.name !== 'ReplyError'
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
