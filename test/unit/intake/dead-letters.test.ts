import { describe, expect, test } from 'vitest'
import { FittingLog } from '../../../src/delivery/fitting-log.ts'
import type { OutgoingRecord } from '../../../src/delivery/outcome-log.ts'
import { deadLetter } from '../../../src/intake/dead-letter.ts'
import { DeadLetters } from '../../../src/intake/dead-letters.ts'
import { RelayFault } from '../../../src/lib/errors.ts'
import { RECORD_TIME_MS, wireRecord } from '../events/wire-records.ts'

/** A topic that refuses requests above `bytesMax`. */
function deadLettersFixture(bytesMax: number, toldBytesMax?: number) {
  const appended: OutgoingRecord[] = []
  let refused = 0
  const deadLetters = new DeadLetters({
    topic: 'dead',
    onCut: () => undefined,
    recordBytesMax: async () => toldBytesMax,
    onError: () => undefined,
    onRecovered: () => undefined,
    log: new FittingLog(
      {
        append: async (records) => {
          const size = records.reduce((sum, { value }) => sum + Buffer.from(value ?? '').length, 0)
          if (size > bytesMax) {
            refused++
            throw new RelayFault('LR_RECORD_TOO_LARGE', 'too large')
          }
          appended.push(...records.map(({ shorter: _, ...record }) => record))
        },
      },
      () => undefined,
    ),
  })
  return { appended, deadLetters, refused: () => refused }
}

describe('dead letters', () => {
  test('keep the key, the bytes and the headers, and say why and from where', async () => {
    const { appended, deadLetters } = deadLettersFixture(1_000)
    const bytes = Buffer.of(0, 1, 2, 0xff)
    let isPublished = false
    const headers = { ce_type: Buffer.of(0xfe), twice: ['a', 'b'], none: undefined }
    deadLetters.publish(wireRecord(bytes, headers), 'value: is not JSON', () => {
      isPublished = true
    })
    expect(isPublished).toBe(false)
    await deadLetters.idle()
    expect(isPublished).toBe(true)
    expect(appended).toEqual([
      {
        topic: 'dead',
        key: Buffer.from('key'),
        value: bytes,
        headers: {
          ce_type: Buffer.of(0xfe),
          twice: ['a', 'b'],
          'dead-letter-reason': 'value: is not JSON',
          'dead-letter-topic': 'session-events',
          'dead-letter-partition': '3',
          'dead-letter-offset': '42',
          'dead-letter-timestamp': String(RECORD_TIME_MS),
        },
      },
    ])
  })

  test('too large together, they go one by one; too large alone, the beginning goes with a note', async () => {
    const { appended, deadLetters } = deadLettersFixture(1_000_000)
    const sizes = [600_000, 600_000, 5_000_000, 10]
    let published = 0
    for (const size of sizes)
      deadLetters.publish(wireRecord(Buffer.alloc(size, 'x')), 'too large', () => published++)
    await deadLetters.idle()
    expect(published).toBe(4)
    expect(appended.map(({ value }) => value?.length)).toEqual([600_000, 600_000, 900_000, 10])
    expect(appended.map(({ headers }) => 'dead-letter-cut' in headers)).toEqual([false, false, true, false])
  })

  test('a flood closes the room until half of it is gone', async () => {
    const { deadLetters } = deadLettersFixture(1_000)
    let published = 0
    while (deadLetters.room.isOpen && published < 10_000) {
      deadLetters.publish(wireRecord(Buffer.from('x')), 'reason', () => undefined)
      published++
    }
    expect(published).toBe(200)
    await deadLetters.room.wait()
    await deadLetters.idle()
    expect(deadLetters.room.isOpen).toBe(true)
  })

  test('a letter is as large as the topic takes before it is sent for the first time', async () => {
    const { appended, deadLetters, refused } = deadLettersFixture(1_000_000, 1_000_000)
    for (const size of [5_000_000, 20_000_000, 10])
      deadLetters.publish(wireRecord(Buffer.alloc(size, 'x')), 'too large', () => undefined)
    await deadLetters.idle()
    expect(appended.map(({ value }) => value?.length)).toEqual([900_000, 900_000, 10])
    expect(appended[1]?.headers['dead-letter-cut']).toContain('the first 900000 of 20000000 bytes')
    expect(refused()).toBe(2)
  })

  test('one that is larger than any topic should take is cut, though nobody tells what this one takes', async () => {
    const { appended, deadLetters } = deadLettersFixture(100_000_000)
    deadLetters.publish(wireRecord(Buffer.alloc(99_000_000)), 'too large', () => undefined)
    await deadLetters.idle()
    expect(appended.map(({ value }) => value?.length)).toEqual([900_000])
  })

  test('few large ones close the room as well, and hold nothing of the batch that they came with', async () => {
    const { deadLetters } = deadLettersFixture(10_000_000)
    let published = 0
    while (deadLetters.room.isOpen && published < 200) {
      deadLetters.publish(wireRecord(Buffer.alloc(5_000_000)), 'too large', () => undefined)
      published++
    }
    expect(published).toBe(2)
    await deadLetters.idle()
    expect(deadLetters.room.isOpen).toBe(true)
    const part = deadLetter('dead', wireRecord(Buffer.alloc(1_000_000).subarray(5, 10)), 'reason')
    expect((part.value as Buffer).buffer.byteLength).toBeLessThan(100_000)
  })
})
