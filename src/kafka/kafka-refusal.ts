import { tlsRefusal } from '../diagnosis/network-fault.ts'
import { messageOf, RelayFault } from '../lib/errors.ts'
import { inPlainWords } from './client-words.ts'

const TOPICS_NAMED_MAX = 20
const TLS_OPTIONS = { ca: 'KAFKA_TLS_CA_FILE', cert: 'KAFKA_TLS_CERT_FILE' }

/** The error fields of kafkajs and Node.js. kafkajs nests errors. */
interface KafkaError {
  readonly name?: string
  readonly type?: string
  readonly cause?: unknown
  readonly originalError?: unknown
}

/**
 * Turns a permanent refusal of Kafka into a fault `LR_REFUSED` with the reason and the remedy, and any other error into what
 * `inPlainWords` makes of it. `rights`: the required rights in Kafka's words, such as "Write on topic a".
 */
export function explainRefusal(error: unknown, rights: string): unknown {
  for (
    let it = error as KafkaError | undefined;
    it != null;
    it = (it.cause ?? it.originalError) as typeof it
  ) {
    const reason = reasonOf(it, rights)
    if (reason !== undefined) return new RelayFault('LR_REFUSED', `Kafka: ${reason}`, { cause: error })
  }
  return inPlainWords(error)
}

/** The first topics, for the rights that they need. */
export function topicsText(topics: readonly string[]): string {
  const more = topics.length - TOPICS_NAMED_MAX
  return `${topics.slice(0, TOPICS_NAMED_MAX).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

function reasonOf(error: KafkaError, rights: string): string | undefined {
  const message = messageOf(error)
  if (error.name === 'KafkaJSSASLAuthenticationError') {
    return `it rejects the user or the password (${message}); correct KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD or KAFKA_SASL_MECHANISM`
  }
  if (/mechanism is not supported by the server/i.test(message)) {
    return `${message}; set KAFKA_SASL_MECHANISM to one that this listener offers`
  }
  if (error.type?.endsWith('_AUTHORIZATION_FAILED')) {
    return `the user lacks a right (${error.type}); grant ${rights}`
  }
  // kafkajs asks every broker and drops their errors.
  if (error.name === 'KafkaJSGroupCoordinatorNotFound') {
    return `no broker names the coordinator of the group: the cluster is starting, or the user lacks a right; grant ${rights}`
  }
  return tlsRefusal(error, TLS_OPTIONS)
}
