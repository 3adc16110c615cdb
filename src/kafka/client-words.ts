import { messageOf, RelayFault } from '../lib/errors.ts'

/** By what kafkajs says, first match first: what it means to whoever runs the relay. */
const texts: readonly (readonly [RegExp, string])[] = [
  [/^Request (\w+)\(key: .*\) timed out$/, 'a broker has not answered a $1 request in time'],
  [/^Response (\w+)\(key: .*\)$/, 'a broker has refused a $1 request'],
  [/^.*Connection timeout$/, 'a broker does not answer'],
  [/^.*(Closed connection|Connection closed by the server)$/, 'a broker closed the connection'],
  [/^.*Not connected$/, 'the connection to a broker was lost'],
  [/^Broker (\S+) not found in the cached metadata$/, 'broker $1 is not part of the cluster any more'],
  [/^(No brokers? |Controller broker ).*$/, 'no broker that is needed can be reached'],
  [/^(.*metadata.*|Topic has been updated)$/i, 'the brokers do not say yet where the partitions are'],
  [/^Failed to find group coordinator.*$/, 'no broker names the coordinator of the group'],
  [/^The producer is disconnect.*$/, 'the connection to a broker was lost'],
  [/^Invariant violated: .*$/, 'a broker answered out of turn'],
  [/^Timeout while acquiring lock.*$/, 'the brokers do not answer'],
  [/^(?:.*: )?(?:Connection error|Failed to connect): (.*)$/, 'a broker cannot be reached: $1'],
  [/^.*API [Vv]ersion.*$/, 'the broker is too old for this relay'],
]

/** The name of an error, before its message. */
const NAME = /^(Crash: )?KafkaJS\w*: /

/** A message of kafkajs, said by or of a broker, without the words that only a reader of its source understands. */
export function plainText(message: string, broker?: string): string {
  const said = message.replace(NAME, '')
  const [pattern, words] = texts.find(([it]) => it.test(said)) ?? []
  if (pattern === undefined || words === undefined) return said
  const text = said.replace(pattern, words)
  return broker === undefined ? text : text.replace(/^a broker/, `broker ${broker}`)
}

/**
 * Turns an error of kafkajs' own into a fault `LR_UNAVAILABLE` that says which broker, and what Kafka answered. Returns any
 * other error unchanged. The original stays its `cause`.
 */
export function inPlainWords(error: unknown): unknown {
  if (!isOfClient(error)) return error
  const { broker, type } = innermost(error)
  const text = plainText(messageOf(error), broker)
  const full = type === undefined ? text : `${text} (${type})`
  return new RelayFault('LR_UNAVAILABLE', full, { cause: error })
}

interface ClientError {
  readonly name?: string
  readonly type?: string
  readonly broker?: string
  readonly cause?: unknown
  readonly originalError?: unknown
}

/** Kafka's own type of an error, at whatever depth kafkajs, or the relay, wrapped it. */
export function protocolType(error: unknown): string | undefined {
  return innermost(error).type
}

function isOfClient(error: unknown): boolean {
  return (
    !(error instanceof RelayFault) && (error as ClientError | undefined)?.name?.startsWith('KafkaJS') === true
  )
}

/** The first type and the first broker that are named on the way to the first cause. */
function innermost(error: unknown): Pick<ClientError, 'broker' | 'type'> {
  const found: { broker?: string; type?: string } = {}
  for (let it = error as ClientError | undefined; it != null; ) {
    if (typeof it.type === 'string') found.type ??= it.type
    if (typeof it.broker === 'string') found.broker ??= it.broker
    it = (it.cause ?? it.originalError) as ClientError | undefined
  }
  return found
}
