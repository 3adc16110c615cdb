import { expect, test } from 'vitest'
import { messageOf } from '../../../src/lib/errors.ts'
import { explainRefusal, inPlainWords } from '../../../src/redis/redis-refusal.ts'

const LIBRARY_WORDS =
  /maxRetriesPerRequest|enableOfflineQueue|options?\b|Stream|Connection is|Socket|slots|pipeline/

test.each([
  'Reached the max retries per request limit (which is 0). Refer to "maxRetriesPerRequest" option for details.',
  "Stream isn't writeable and enableOfflineQueue options is false",
  'Connection is closed.',
  "Socket timeout. Expecting data, but didn't receive any in 5000ms.",
  'Command timed out',
  'Protocol error, got "H" as reply type byte. Please report this.',
  'Failed to refresh slots cache.',
  'something of a later version',
])('%s: is said in words of the relay, of commands and of connections', (message) => {
  for (const error of [
    new Error(message),
    Object.assign(new Error(message), { name: 'MaxRetriesPerRequestError' }),
  ])
    for (const fault of [inPlainWords(error), explainRefusal(error)]) {
      expect(fault).toMatchObject({ code: 'LR_UNAVAILABLE', cause: error })
      expect(messageOf(fault)).toContain('Redis')
      expect(messageOf(fault)).not.toMatch(LIBRARY_WORDS)
    }
})

test('what Redis answers, the system says or the program does wrong is left as it is', () => {
  const answer = Object.assign(new Error('WRONGTYPE Operation against a key'), { name: 'ReplyError' })
  const ofSystem = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
  for (const error of [answer, ofSystem, new TypeError('x is not a function')]) {
    expect(inPlainWords(error)).toBe(error)
    expect(explainRefusal(error)).toBe(error)
  }
})
