import { describe, expect, test } from 'vitest'
import {
  checkEpoch,
  checkLatency,
  checkMemory,
  checkTransport,
  checkVersion,
  redisChecks,
} from '../../../src/diagnosis/redis-server.ts'
import { expectations, redisFacts, unread } from './sample-facts.ts'

describe('the way to Redis', () => {
  test.each([
    {
      url: 'rediss://relay:secret@redis.example:6380/1',
      is: 'ok',
      shows: 'rediss://relay:***@redis.example:6380/1',
    },
    {
      url: 'redis://relay:secret@redis.example/1',
      is: 'warning',
      shows: 'redis://relay:***@redis.example/1',
    },
    { url: 'redis://:secret@redis.example', is: 'warning', shows: 'redis://:***@redis.example' },
    { url: 'redis://redis.example', is: 'hint', shows: 'redis://redis.example' },
    { url: 'redis://:secret@127.0.0.1:6379', is: 'ok', shows: 'redis://:***@127.0.0.1:6379' },
    { url: 'redis://:secret@[::1]:6379', is: 'ok', shows: '[::1]:6379' },
    { url: 'redis://localhost', is: 'ok', shows: 'redis://localhost' },
  ])('$url: $is', ({ url, is, shows }) => {
    const { severity, text } = checkTransport(url, false)
    expect(severity).toBe(is)
    expect(text).toContain(shows)
    expect(text).not.toContain('secret')
  })
})

test('a password beside the URL counts', () => {
  expect(checkTransport('redis://redis.example', true).severity).toBe('warning')
})

test.each([
  ['redis 6.2.11', 'ok'],
  ['redis 8.0.1', 'ok'],
  ['valkey 7.2.5', 'ok'],
  ['redis 6.0.16', 'warning'],
  ['redis 5.0.14', 'warning'],
])('version %s: %s', (value, is) => {
  expect(checkVersion({ version: { value } }).severity).toBe(is)
})

test.each([
  [0.3, 'ok'],
  [20, 'ok'],
  [21, 'warning'],
])('a PING of %d ms: %s', (ms, is) => {
  expect(checkLatency({ pingMs: ms }).severity).toBe(is)
})

test.each([
  { usedBytes: 1_000, maxBytes: 0, is: 'ok', says: 'maxmemory 0' },
  { usedBytes: 90, maxBytes: 100, is: 'ok', says: '90 %' },
  { usedBytes: 91, maxBytes: 100, is: 'warning', says: '91 %' },
])('$usedBytes of $maxBytes bytes in use: $is', ({ usedBytes, maxBytes, is, says }) => {
  const { severity, text } = checkMemory({ memory: { value: { usedBytes, maxBytes } } })
  expect(severity).toBe(is)
  expect(text).toContain(says)
})

describe('the epoch', () => {
  const there = { isSet: true, isOfThisRun: true, isRebuilding: false, isInUse: true, hasPositions: true }
  test.each([
    { facts: there, is: 'ok', says: 'lr:epoch' },
    { facts: { ...there, isOfThisRun: undefined }, is: 'ok', says: 'lr:epoch' },
    { facts: { ...there, isOfThisRun: false }, is: 'warning', says: 'run of this server' },
    { facts: { ...there, isSet: false, isOfThisRun: false }, is: 'warning', says: 'lost its data' },
    {
      facts: { ...there, isSet: false, hasPositions: false },
      is: 'warning',
      says: 'has not built the registry yet',
    },
    { facts: { ...there, isSet: false, isRebuilding: true }, is: 'warning', says: 'rebuilds Redis' },
    { facts: { ...there, isSet: false, isInUse: false }, is: 'hint', says: 'no relay has used this prefix' },
  ])('$is: $says', ({ facts, is, says }) => {
    const { severity, text } = checkEpoch({ prefix: 'lr', epoch: { value: facts } })
    expect(severity).toBe(is)
    expect(text).toContain(says)
  })
})

test('what may not be looked up is a hint with the right that is missing', () => {
  for (const found of [
    checkVersion({ version: unread }),
    checkMemory({ memory: unread }),
    checkEpoch({ prefix: 'lr', epoch: unread }),
  ]) {
    expect(found).toMatchObject({
      severity: 'hint',
      text: expect.stringContaining('NOPERM'),
      remedy: expect.stringContaining('the user of REDIS_URL'),
    })
  }
})

test('every check of the service says what it saw when nothing is wrong', () => {
  for (const { name, find } of redisChecks(expectations)) {
    expect(find(redisFacts()), name).toEqual([expect.objectContaining({ severity: 'ok' })])
  }
})
