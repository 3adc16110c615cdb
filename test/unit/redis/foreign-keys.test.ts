import { expect, test } from 'vitest'
import { isDataError, SuspectKeys } from '../../../src/redis/foreign-keys.ts'

/* Messages of servers: first of Redis 6, then of Redis 7 and Valkey. */

test.each([
  'ERR Error running script (call to f_1b): @user_script:12: user_script:12: attempt to index a nil value',
  'ERR Error running script (call to f_1b): @user_script:5: Expected value but found invalid token at character 1',
  'ERR Error running script (call to f_1b): @user_script:7: WRONGTYPE Operation against a key holding the wrong kind of value',
  'ERR user_script:12: attempt to compare number with nil script: 1b, on @user_script:12.',
  'ERR Expected value but found invalid token at character 1 script: 1b, on @user_script:5.',
  'WRONGTYPE Operation against a key holding the wrong kind of value script: 1b, on @user_script:7.',
])('a script that fails at what it found would fail again: %s', (message) => {
  expect(isDataError(new Error(message))).toBe(true)
})

test.each([
  "ERR Error running script (call to f_1b): @user_script:4: @user_script: 4: The user executing the script can't run this command or subcommand",
  "ERR The user executing the script can't run this command or subcommand script: 1b, on @user_script:4.",
  "OOM command not allowed when used memory > 'maxmemory'. script: 1b, on @user_script:4.",
  'READONLY You can’t write against a read only replica. script: 1b, on @user_script:4.',
  'MISCONF Redis is configured to save RDB snapshots, but it is currently unable to persist on disk.',
  'NOSCRIPT No matching script. Please use EVAL.',
  'Connection is closed.',
])('what the server refuses says nothing of the data: %s', (message) => {
  expect(isDataError(new Error(message))).toBe(false)
})

test('suspects are kept up to a bound, and each is news once', () => {
  let news = 0
  const suspects = new SuspectKeys(() => void news++)
  suspects.note('a', 'b')
  suspects.note('a')
  expect(news).toBe(1)
  suspects.note(...Array.from({ length: 2_000 }, (_, i) => `key ${i}`))
  expect([...suspects]).toHaveLength(1_000)
  suspects.forget('a')
  suspects.note('c')
  expect([[...suspects].includes('c'), news]).toEqual([true, 3])
})
