import { expect, test, vi } from 'vitest'
import type { OutcomeLog, OutgoingRecord } from '../../../src/delivery/outcome-log.ts'
import { RelayFault } from '../../../src/lib/errors.ts'
import { WebhookPublisher } from '../../../src/webhooks/webhook-publisher.ts'

const record = (topic: string, value = 'x'): OutgoingRecord => ({ topic, key: null, value, headers: {} })

function fixture(append: OutcomeLog['append']) {
  const told: string[] = []
  const publisher = new WebhookPublisher({
    log: { append },
    onFailed: (topic) => told.push(`failed ${topic}`),
    onPublished: (topic) => told.push(`published ${topic}`),
  })
  const publish = (topic: string, value?: string) => publisher.publish(topic, [record(topic, value)])
  return { publish, told }
}

test('what comes for one topic while a batch is on its way goes together', async () => {
  const batches: number[] = []
  const first = Promise.withResolvers<void>()
  const { publish } = fixture(async (records) => {
    batches.push(records.length)
    if (batches.length === 1) await first.promise
  })
  const one = publish('a')
  await vi.waitFor(() => expect(batches).toEqual([1]))
  const more = [publish('a'), publish('b'), publish('a'), publish('a')]
  first.resolve()
  expect(await Promise.all([one, ...more])).toEqual(Array(5).fill('published'))
  expect(batches).toEqual([1, 3, 1])
})

test('a topic that refuses does not fail the webhooks for others', async () => {
  const { publish, told } = fixture(async (records) => {
    if (records.some(({ topic }) => topic === 'closed')) throw new RelayFault('LR_REFUSED', 'no')
    if (records.some(({ value }) => value === 'huge')) throw new RelayFault('LR_RECORD_TOO_LARGE', 'no')
  })
  expect(await Promise.all([publish('a'), publish('closed'), publish('b', 'huge'), publish('b')])).toEqual([
    'published',
    'unpublished',
    'too-large',
    'published',
  ])
  expect(told).toEqual(['published a', 'failed closed', 'published b'])
})

test('Kafka that is away fails all of a topic with one attempt', async () => {
  let attempts = 0
  const { publish } = fixture(async () => {
    attempts++
    throw new Error('connection lost')
  })
  expect(await Promise.all([publish('a'), publish('a'), publish('b')])).toEqual(Array(3).fill('unpublished'))
  expect(attempts).toBe(2)
})

test('without an acknowledgement the answer comes all the same, and what waited behind it is not begun', async () => {
  vi.useFakeTimers()
  try {
    const appended: unknown[] = []
    const hanging = Promise.withResolvers<void>()
    const { publish } = fixture(async (records) => {
      appended.push(...records.map(({ value }) => value))
      if (appended.length === 1) await hanging.promise
    })
    const stuck = publish('a', 'stuck')
    await vi.advanceTimersByTimeAsync(1)
    const behind = publish('a', 'behind')
    await vi.advanceTimersByTimeAsync(10_000)
    expect(await Promise.all([stuck, behind])).toEqual(['unpublished', 'unpublished'])
    hanging.resolve()
    const later = publish('a', 'later')
    await vi.advanceTimersByTimeAsync(10_000)
    expect(await later).toBe('published')
    expect(appended).toEqual(['stuck', 'later'])
  } finally {
    vi.useRealTimers()
  }
})

test('what waits is bounded, and gives its room back', async () => {
  const hanging = Promise.withResolvers<void>()
  const { publish } = fixture(() => hanging.promise)
  const megabyte = 'x'.repeat(1_024 * 1_024)
  const waiting = Array.from({ length: 16 }, () => publish('a', megabyte))
  expect(await publish('a', megabyte)).toBe('unpublished')
  hanging.resolve()
  expect(await Promise.all(waiting)).toEqual(Array(16).fill('published'))
  expect(await publish('a', megabyte)).toBe('published')
})
