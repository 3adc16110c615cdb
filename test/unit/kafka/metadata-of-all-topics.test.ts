import { createRequire } from 'node:module'
import { describe, expect, test } from 'vitest'
import { tolerantMetadata } from '../../../src/kafka/metadata-of-all-topics.ts'

const require = createRequire(import.meta.url)
const original = require('kafkajs/src/protocol/requests/metadata/index.js') as Parameters<
  typeof tolerantMetadata
>[0] & {
  versions: string[]
}

const LEADER_NOT_AVAILABLE = 5
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
    // One that was asked for is waited for as before.
    await expect(exchange({ topics: ['own'] }).response.parse(answer)).rejects.toMatchObject({
      type: 'LEADER_NOT_AVAILABLE',
    })
  })
})
