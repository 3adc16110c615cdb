import { createRequire } from 'node:module'
import { describe, expect, test } from 'vitest'
import { tolerantMetadata } from '../../../../src/kafka/kafkajs/tolerant-metadata.ts'

const require = createRequire(import.meta.url)
const original = require('kafkajs/src/protocol/requests/metadata/index.js') as Parameters<
  typeof tolerantMetadata
>[0] & {
  versions: string[]
}

const UNKNOWN_TOPIC_OR_PARTITION = 3
const LEADER_NOT_AVAILABLE = 5
const TOPIC_AUTHORIZATION_FAILED = 29
const answer = {
  brokers: [],
  topicMetadata: [
    {
      topicErrorCode: 0,
      topic: 'somebody-elses',
      partitionMetadata: [{ partitionErrorCode: LEADER_NOT_AVAILABLE, partitionId: 0, leader: -1 }],
    },
  ],
}

describe('a topic of somebody else without a leader does not hide the cluster', () => {
  test.each(original.versions.map(Number))('in version %d of the request', async (version) => {
    const exchange = tolerantMetadata(original).protocol({ version })
    await expect(exchange({ topics: [] }).response.parse(answer)).resolves.toMatchObject({ brokers: [] })
    // A requested topic keeps its error.
    await expect(exchange({ topics: ['own'] }).response.parse(answer)).rejects.toMatchObject({
      type: 'LEADER_NOT_AVAILABLE',
    })
  })
})

describe('a topic that is gone does not hide those that were asked for with it', () => {
  const of = (topic: string, topicErrorCode: number) => ({ topicErrorCode, topic, partitionMetadata: [] })
  const here = of('here', 0)
  const gone = of('gone', UNKNOWN_TOPIC_OR_PARTITION)

  test.each(original.versions.map(Number))('in version %d of the request', async (version) => {
    const parse = (...topicMetadata: (typeof here)[]) =>
      tolerantMetadata(original)
        .protocol({ version })({ topics: topicMetadata.map(({ topic }) => topic) })
        .response.parse({ ...answer, topicMetadata })
    await expect(parse(gone, here)).resolves.toMatchObject({ topicMetadata: [of('gone', 0), here] })
    // A topic that is requested alone keeps its error.
    await expect(parse(gone)).rejects.toMatchObject({ type: 'UNKNOWN_TOPIC_OR_PARTITION' })
    await expect(parse(gone, of('secret', TOPIC_AUTHORIZATION_FAILED), here)).rejects.toMatchObject({
      type: 'TOPIC_AUTHORIZATION_FAILED',
    })
  })
})
