import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type CheckedPart, Checkup } from '../../../src/diagnosis/checkup.ts'
import { type Finding, ok } from '../../../src/diagnosis/finding.ts'
import { Gate } from '../../../src/lib/gate.ts'

const error: Finding = {
  check: 'redis-writable',
  severity: 'error',
  text: 'read-only',
  remedy: 'promote it',
}
const warning: Finding = {
  check: 'topic-retention',
  about: 't',
  severity: 'warning',
  text: 'short',
  remedy: 'lengthen',
}

let said: string[]
let state: Record<CheckedPart, readonly Finding[] | Error>
let looks: Record<CheckedPart, number>
let ending: AbortController
let checkup: Checkup
let clear: Gate

beforeEach(() => {
  vi.useFakeTimers()
  said = []
  state = {
    ...{ redis: [], topics: [], log: [], feed: [], schemas: [] },
    ...{ issuer: [], keys: [], clients: [], process: [] },
  }
  looks = { redis: 0, topics: 0, log: 0, feed: 0, schemas: 0, issuer: 0, keys: 0, clients: 0, process: 0 }
  ending = new AbortController()
  const look = (part: CheckedPart) => ({
    checks: [],
    make: async () => {
      looks[part]++
      const found = state[part]
      if (found instanceof Error) throw found
      return found
    },
  })
  clear = new Gate(false)
  checkup = new Checkup({
    clear,
    intervalMs: 30_000,
    looks: {
      redis: look('redis'),
      topics: look('topics'),
      log: look('log'),
      feed: look('feed'),
      schemas: look('schemas'),
      issuer: look('issuer'),
      keys: look('keys'),
      clients: look('clients'),
      process: look('process'),
    },
    events: {
      found: ({ check, text }) => said.push(`${check}: ${text}`),
      resolved: ({ check }) => said.push(`${check}: resolved`),
      lookFailed: (part, reason, failures) => said.push(`${part} failed ${failures}: ${reason}`),
    },
  })
})
afterEach(() => {
  ending.abort()
  vi.useRealTimers()
})

async function start(): Promise<{ isClear: boolean }> {
  const start = { isClear: false }
  checkup.start(ending.signal).then(() => {
    start.isClear = true
  })
  await vi.advanceTimersByTimeAsync(0)
  return start
}

test('nothing but what is well: it is clear at once', async () => {
  state.redis = [{ check: 'redis-writable', ...ok('it takes writes') }]
  expect(await start()).toEqual({ isClear: true })
  expect(checkup.findings).toEqual([])
  expect(said).toEqual([])
})

test('a warning is told once, holds nothing up, and is looked at again in its time', async () => {
  state.topics = [warning]
  expect(await start()).toEqual({ isClear: true })
  await vi.advanceTimersByTimeAsync(65_000)
  expect(looks.topics).toBe(3)
  expect(said).toEqual(['topic-retention: short'])
  state.topics = []
  await vi.advanceTimersByTimeAsync(30_000)
  expect(said).toEqual(['topic-retention: short', 'topic-retention: resolved'])
  state.topics = [warning]
  await vi.advanceTimersByTimeAsync(30_000)
  expect(said).toHaveLength(3)
})

test('words that change are not news; another severity or place is', async () => {
  state.topics = [warning]
  await checkup.run()
  state.topics = [{ ...warning, text: 'shorter' }]
  await checkup.run()
  expect(said).toEqual(['topic-retention: short'])
  expect(checkup.findings[0]?.text).toBe('shorter')
  state.topics = [{ ...warning, about: 'u' }]
  await checkup.run()
  expect(said.slice(1)).toEqual(['topic-retention: short', 'topic-retention: resolved'])
})

test('an error holds the start up, is looked at every second, and lets it go on when it is resolved', async () => {
  state.redis = [error]
  const started = await start()
  await vi.advanceTimersByTimeAsync(5_000)
  expect(started.isClear).toBe(false)
  expect(looks.redis).toBe(6)
  expect(looks.topics).toBe(1)
  expect(checkup.errors).toEqual([error])
  state.redis = []
  await vi.advanceTimersByTimeAsync(1_000)
  expect(started.isClear).toBe(true)
  expect(checkup.errors).toEqual([])
  expect(said).toEqual(['redis-writable: read-only', 'redis-writable: resolved'])
})

test('a part that cannot be looked at holds the start up for a few looks, not for ever', async () => {
  state.redis = new Error('not connected')
  const started = await start()
  await vi.advanceTimersByTimeAsync(1_000)
  expect(started.isClear).toBe(false)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(started.isClear).toBe(true)
  expect(looks).toMatchObject({ redis: 3, topics: 1 })
})

test('what was found the last time stands while a part cannot be looked at', async () => {
  state.redis = [error]
  await checkup.run()
  state.redis = new Error('not connected')
  await checkup.run()
  await checkup.run()
  expect(checkup.errors).toEqual([error])
  expect(said).toEqual([
    'redis-writable: read-only',
    'redis failed 1: Error: not connected',
    'redis failed 2: Error: not connected',
  ])
})

test('a sign of change brings the next look forward, but not more than two a second', async () => {
  await start()
  await vi.advanceTimersByTimeAsync(10_000)
  for (let i = 0; i < 100; i++) {
    checkup.hurry('redis')
    await vi.advanceTimersByTimeAsync(10)
  }
  expect(looks.redis).toBeGreaterThan(1)
  expect(looks.redis).toBeLessThanOrEqual(4)
  expect(looks.topics).toBe(1)
})

test('it ends with its signal, also where it was held up', async () => {
  state.redis = [error]
  const started = await start()
  ending.abort()
  await vi.advanceTimersByTimeAsync(0)
  expect(started.isClear).toBe(true)
  const before = looks.redis
  await vi.advanceTimersByTimeAsync(60_000)
  expect(looks.redis).toBe(before)
})

test('an error that comes up later stops what takes anything up, and what is taken goes on when it is resolved', async () => {
  await start()
  expect(clear.isOpen).toBe(true)
  state.redis = [error]
  await vi.advanceTimersByTimeAsync(30_000)
  expect(clear.isOpen).toBe(false)
  state.redis = new Error('not connected')
  await vi.advanceTimersByTimeAsync(5_000)
  expect(clear.isOpen).toBe(false)
  state.redis = []
  await vi.advanceTimersByTimeAsync(1_000)
  expect(clear.isOpen).toBe(true)
})

test('a topic that is missing holds up the start; later the others are read on, and an absent key never stops the rest', async () => {
  const missing: Finding = { check: 'topic-missing', severity: 'error', text: 'none', remedy: 'create it' }
  state.topics = [missing]
  state.issuer = [{ check: 'key-published', severity: 'error', text: 'absent', remedy: 'publish it' }]
  const started = await start()
  expect(started.isClear).toBe(false)
  state.topics = []
  await vi.advanceTimersByTimeAsync(1_000)
  expect(started.isClear).toBe(true)
  state.topics = [missing]
  await vi.advanceTimersByTimeAsync(30_000)
  expect(checkup.errors).toHaveLength(2)
  expect(clear.isOpen).toBe(true)
})

test('a service that stops is not held up', async () => {
  await start()
  state.redis = [error]
  await vi.advanceTimersByTimeAsync(30_000)
  ending.abort()
  await vi.advanceTimersByTimeAsync(5_000)
  expect(clear.isOpen).toBe(true)
})
