import { expect, test } from 'vitest'
import { countFromLastData, timedBySize } from '../../../../src/kafka/kafkajs/request-timeouts.ts'

const timed = timedBySize({
  protocol:
    () =>
    ({ timeout }) => ({ brokerMs: timeout }),
})
const timesOf = (...values: (string | Buffer | null)[]) => {
  const messages = values.map((value) => ({ key: null, value }))
  return timed.protocol({ version: 7 })({ timeout: 5_000, topicData: [{ partitions: [{ messages }] }] })
}

test('a produce request has the usual time and what its bytes need, here and at the broker', () => {
  expect(timesOf('x', null)).toEqual({ brokerMs: 5_001, requestTimeout: 5_001 })
  const large = Buffer.alloc(8 * 1_024 * 1_024)
  expect(timesOf(large)).toEqual({ brokerMs: 37_768, requestTimeout: 37_768 })
  expect(timesOf(large, large)).toMatchObject({ requestTimeout: 70_536 })
})

test('the time of requests that wait counts from the last data that came in', () => {
  const sentAt = Date.now() - 60_000
  const read: Buffer[] = []
  const connection = {
    requestQueue: { inflight: new Map([1, 2].map((id) => [id, { sentAt }])) },
    processData: (data: Buffer) => void read.push(data),
  }
  countFromLastData(connection)
  connection.processData(Buffer.from('x'))
  expect(read).toHaveLength(1)
  for (const request of connection.requestQueue.inflight.values())
    expect(request.sentAt).toBeGreaterThan(sentAt)
})
