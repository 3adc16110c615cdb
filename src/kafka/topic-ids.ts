import type { Broker, Cluster } from './kafkajs/kafka-cluster.ts'

/*
 * A recreated topic has the same name, offsets that may lie beyond the old ones, and another id. kafkajs' metadata request is
 * too old to return ids. This is the request of Kafka 2.8 and newer: version 12 (KIP-516), or 11 with the same fields. It
 * uses the flexible encoding (KIP-482): lengths are varints of length + 1, and each structure ends with tagged fields, none
 * of which is used here.
 */

const METADATA = 3
const VERSION_MIN = 11
const VERSION_MAX = 12
const ID_BYTES = 16
const NO_ID = Buffer.alloc(ID_BYTES)
const NO_TAGS = Buffer.from([0])

/** The id of each topic, as Kafka's tools write it. Empty for a missing topic, and if the broker has no ids. */
export async function fetchTopicIds(
  cluster: Pick<Cluster, 'brokerPool'>,
  topics: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const broker = await cluster.brokerPool.findConnectedBroker()
  const apiVersion = Math.min(VERSION_MAX, broker.versions?.[METADATA]?.maxVersion ?? 0)
  const found = apiVersion < VERSION_MIN ? new Map<string, string>() : await ask(broker, apiVersion, topics)
  return new Map(topics.map((topic) => [topic, found.get(topic) ?? '']))
}

function ask(broker: Broker, apiVersion: number, topics: readonly string[]): Promise<Map<string, string>> {
  const buffer = metadataRequest(topics)
  return broker.connectionPool.send({
    request: {
      apiKey: METADATA,
      apiVersion,
      apiName: 'Metadata',
      encode: async () => ({ buf: buffer, buffer }),
    },
    response: { decode: async (payload) => idsInMetadata(payload), parse: async (ids) => ids },
  })
}

/** TagsOfTheHeader [TopicId Name Tags] AllowAutoTopicCreation IncludeTopicAuthorizedOperations Tags */
export function metadataRequest(topics: readonly string[]): Buffer {
  const names = topics.flatMap((topic) => [NO_ID, compactText(topic), NO_TAGS])
  return Buffer.concat([NO_TAGS, unsignedVarint(topics.length + 1), ...names, Buffer.from([0, 0]), NO_TAGS])
}

/** Parses an answer after its correlation id, beginning with the tags of its header. */
export function idsInMetadata(payload: Buffer): Map<string, string> {
  const reader = new FlexibleReader(payload)
  reader.skipTags()
  reader.skip(4)
  reader.array(() => {
    // Node id, host, port, rack.
    reader.skip(4)
    reader.text()
    reader.skip(4)
    reader.text()
    reader.skipTags()
  })
  // Cluster id, controller.
  reader.text()
  reader.skip(4)
  const ids = new Map<string, string>()
  reader.array(() => {
    // The error code. It does not matter: a topic with an error has no id.
    reader.skip(2)
    const name = reader.text()
    const id = reader.bytes(ID_BYTES)
    // Internal.
    reader.skip(1)
    reader.array(() => {
      // Error, number, leader, leader epoch; then replicas, in-sync replicas, offline replicas.
      reader.skip(2 + 4 + 4 + 4)
      for (let list = 0; list < 3; list++) reader.array(() => reader.skip(4))
      reader.skipTags()
    })
    // Operations that are allowed.
    reader.skip(4)
    reader.skipTags()
    if (name !== undefined && !id.equals(NO_ID)) ids.set(name, id.toString('base64url'))
  })
  return ids
}

class FlexibleReader {
  readonly #buffer: Buffer
  #at = 0

  constructor(buffer: Buffer) {
    this.#buffer = buffer
  }

  skip(bytes: number): void {
    this.#at += bytes
  }

  bytes(length: number): Buffer {
    if (this.#at + length > this.#buffer.length) throw new RangeError('the metadata ends too early')
    this.#at += length
    return this.#buffer.subarray(this.#at - length, this.#at)
  }

  text(): string | undefined {
    const length = this.#varint() - 1
    return length < 0 ? undefined : this.bytes(length).toString()
  }

  array(read: () => void): void {
    for (let left = this.#varint() - 1; left > 0; left--) read()
  }

  skipTags(): void {
    for (let left = this.#varint(); left > 0; left--) {
      this.#varint()
      this.skip(this.#varint())
    }
  }

  #varint(): number {
    let value = 0
    for (let factor = 1; ; factor *= 0x80) {
      const byte = this.bytes(1).readUInt8()
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
    }
  }
}

function compactText(text: string): Buffer {
  return Buffer.concat([unsignedVarint(Buffer.byteLength(text) + 1), Buffer.from(text)])
}

function unsignedVarint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80)
  return Buffer.from([...bytes, rest])
}
