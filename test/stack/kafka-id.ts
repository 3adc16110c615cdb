import { randomBytes } from 'node:crypto'

const RANDOM_BYTES = 16

/** An id as Kafka wants it for clusters and directories. It must not begin with the dash of an option. */
export function randomKafkaId(): string {
  const id = randomBytes(RANDOM_BYTES).toString('base64url')
  return id.startsWith('-') ? randomKafkaId() : id
}
