import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

const METADATA_API_KEY = 3
const METADATA_API_VERSION = 6
const CLIENT_ID = 'test-stack'
const ANSWER_TIMEOUT_MS = 2_000

export interface KafkaMetadata {
  readonly clusterId: string | null
  /** -1 while there is none. */
  readonly controllerId: number
  /** Those that the cluster counts as alive. */
  readonly nodeIds: readonly number[]
}

/**
 * Asks exactly this one broker what it knows of its cluster; a client library would ask any of them. `undefined` when
 * there is no answer, or one that is not Kafka's.
 */
export async function askForMetadata(port: number): Promise<KafkaMetadata | undefined> {
  const socket = connect(port, '127.0.0.1')
  const timeout = AbortSignal.timeout(ANSWER_TIMEOUT_MS)
  try {
    await once(socket, 'connect', { signal: timeout })
    socket.write(metadataRequest())
    return parseMetadata(await readMessage(socket, timeout))
  } catch {
    return undefined
  } finally {
    socket.destroy()
  }
}

function metadataRequest(): Buffer {
  const clientId = Buffer.from(CLIENT_ID)
  // API key, API version, correlation id, length of the client id.
  const header = Buffer.alloc(10)
  header.writeInt16BE(METADATA_API_KEY, 0)
  header.writeInt16BE(METADATA_API_VERSION, 2)
  header.writeInt16BE(clientId.length, 8)
  // An empty list of topics, and no creation of topics.
  const body = Buffer.alloc(5)
  const size = Buffer.alloc(4)
  size.writeInt32BE(header.length + clientId.length + body.length)
  return Buffer.concat([size, header, clientId, body])
}

async function readMessage(socket: Socket, signal: AbortSignal): Promise<Buffer> {
  let received = Buffer.alloc(0)
  while (received.length < 4 || received.length < 4 + received.readInt32BE(0)) {
    const [chunk] = (await once(socket, 'data', { signal })) as [Buffer]
    received = Buffer.concat([received, chunk])
  }
  return received.subarray(4)
}

/** Throws a `RangeError` when the message is shorter than it says. */
function parseMetadata(message: Buffer): KafkaMetadata {
  // After the correlation id and the throttle time.
  let position = 8
  const readInt32 = () => {
    position += 4
    return message.readInt32BE(position - 4)
  }
  const readNullableString = () => {
    const length = message.readInt16BE(position)
    const start = position + 2
    position = start + Math.max(length, 0)
    return length < 0 ? null : message.toString('utf8', start, position)
  }
  const nodeIds = Array.from({ length: readInt32() }, () => {
    const nodeId = readInt32()
    readNullableString() // host
    readInt32() // port
    readNullableString() // rack
    return nodeId
  })
  return { nodeIds, clusterId: readNullableString(), controllerId: readInt32() }
}
