import { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { EventStream } from '../../../src/status/event-stream.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

class Viewer extends EventEmitter {
  status = 0
  body = ''
  isEnded = false
  writableNeedDrain = false

  writeHead(status: number): this {
    this.status = status
    return this
  }

  write(text: string): boolean {
    this.body += text
    return true
  }

  end(text = ''): void {
    this.body += text
    this.destroy()
  }

  destroy(): void {
    this.isEnded = true
    this.emit('close')
  }
}

function watch(stream: EventStream, method = 'GET'): Viewer {
  const viewer = new Viewer()
  stream.open({ method } as IncomingMessage, viewer as unknown as ServerResponse)
  return viewer
}

function create(read: () => Promise<unknown> = vi.fn(async () => ({ text: 'a\nb' }))) {
  return { read, stream: new EventStream({ read, intervalMs: 1_000, viewersMax: 2 }) }
}

test('all viewers share one snapshot per second, and none is made when nobody watches', async () => {
  const { read, stream } = create()
  const first = watch(stream)
  const second = watch(stream)
  await vi.advanceTimersByTimeAsync(2_500)
  expect(read).toHaveBeenCalledTimes(3)
  expect(first.body.split('data: {"text":"a\\nb"}\n\n')).toHaveLength(4)
  first.destroy()
  second.destroy()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(read).toHaveBeenCalledTimes(3)
  expect(vi.getTimerCount()).toBe(0)
  const third = watch(stream)
  await vi.advanceTimersByTimeAsync(0)
  expect(third.body.split('data: ')).toHaveLength(2)
})

test('who comes later sees the last snapshot at once', async () => {
  const { stream } = create()
  watch(stream)
  await vi.advanceTimersByTimeAsync(500)
  expect(watch(stream).body).toContain('data: ')
})

test('who comes is let in: the one that has watched longest goes, or one that takes nothing; a HEAD takes no place', async () => {
  const { stream } = create()
  const [first, second] = [watch(stream), watch(stream)]
  expect(watch(stream, 'HEAD')).toMatchObject({ status: 200, body: '' })
  expect([first.isEnded, second.isEnded]).toEqual([false, false])
  const third = watch(stream)
  expect([first.isEnded, second.isEnded, third.status]).toEqual([true, false, 200])
  third.writableNeedDrain = true
  await vi.advanceTimersByTimeAsync(2_000)
  const fourth = watch(stream)
  expect([second.isEnded, third.isEnded, fourth.isEnded]).toEqual([false, true, false])
  expect(stream.viewers).toBe(2)
})

test('a viewer that takes nothing misses snapshots, and is dropped after ten', async () => {
  const { stream } = create()
  const slow = watch(stream)
  const quick = watch(stream)
  await vi.advanceTimersByTimeAsync(0)
  const { body } = slow
  slow.writableNeedDrain = true
  await vi.advanceTimersByTimeAsync(9_000)
  expect(slow).toMatchObject({ isEnded: false, body })
  await vi.advanceTimersByTimeAsync(1_000)
  expect(slow.isEnded).toBe(true)
  expect(stream.viewers).toBe(1)
  expect(quick.isEnded).toBe(false)
})

test('one that was slow for a while stays', async () => {
  const { stream } = create()
  const viewer = watch(stream)
  for (let i = 0; i < 5; i++) {
    viewer.writableNeedDrain = true
    await vi.advanceTimersByTimeAsync(8_000)
    viewer.writableNeedDrain = false
    await vi.advanceTimersByTimeAsync(1_000)
  }
  expect(viewer.isEnded).toBe(false)
})

test('a snapshot that cannot be made is a comment, and the next is tried', async () => {
  const { stream } = create(vi.fn().mockRejectedValueOnce(new Error('no')).mockResolvedValue(1))
  const viewer = watch(stream)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(viewer.body).toBe('retry: 2000\n\n: no snapshot\n\ndata: 1\n\n')
})

test('closing ends every stream, leaves no timer, and lets nobody in any more', async () => {
  const { stream } = create()
  const viewer = watch(stream)
  await vi.advanceTimersByTimeAsync(100)
  stream.close()
  await vi.advanceTimersByTimeAsync(0)
  expect(viewer.isEnded).toBe(true)
  expect(vi.getTimerCount()).toBe(0)
  expect(watch(stream).status).toBe(503)
})
