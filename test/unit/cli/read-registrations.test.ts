import { describe, expect, test } from 'vitest'
import { readAll, readRegistrations } from '../../../src/cli/sessions/read-registrations.ts'

const ISSUER = 'https://login.test.example'
const NOW = 1_000
const sound = {
  sessionId: 's1',
  oidcSessionId: 'o1',
  clientId: 'shop',
  userId: 'u1',
  backchannelLogoutUri: 'https://shop.test.example/logout',
}

describe('registrations as JSON', () => {
  test('an object, also over several lines', () => {
    expect(readRegistrations(JSON.stringify(sound, null, 2), ISSUER, NOW)).toEqual([
      { ...sound, issuer: ISSUER, sub: 'u1', sid: 's1', registeredAtMs: NOW },
    ])
  })

  test('a list, and an object per line', () => {
    const two = [sound, { ...sound, sessionId: 's2', registeredAt: 5 }]
    const lines = `${two.map((it) => JSON.stringify(it)).join('\n\n')}\n`
    for (const text of [JSON.stringify(two), lines]) {
      expect(readRegistrations(text, ISSUER, NOW)).toMatchObject([
        { sessionId: 's1', registeredAtMs: NOW },
        { sessionId: 's2', registeredAtMs: 5 },
      ])
    }
  })

  test.each([
    ['nothing', '', /holds no registration/],
    ['an empty list', '[]', /holds no registration/],
    ['a text', '"hunter2"', /registration: /],
    ['half an object', '{"sessionId":', /line 1: is not JSON/],
    ['a wrong line', `${JSON.stringify(sound)}\nhunter2`, /line 2: is not JSON/],
    ['a wrong field', JSON.stringify([sound, { ...sound, alg: 'hunter2' }]), /registration 2: alg: /],
    ['another issuer', JSON.stringify({ ...sound, issuer: 'https://x' }), /issuer: .*--issuer/],
  ])('%s is refused, and not quoted', (_, text, message) => {
    const read = () => readRegistrations(text, ISSUER, NOW)
    expect(read).toThrow(
      expect.objectContaining({ code: 'LR_USAGE', message: expect.stringMatching(message) }),
    )
    expect(read).toThrow(expect.objectContaining({ message: expect.not.stringContaining('hunter2') }))
  })

  test('more than anybody means to register at once is refused before it fills the memory', async () => {
    let chunks = 0
    async function* endless() {
      for (;;) {
        chunks++
        yield Buffer.alloc(1_024 * 1_024)
      }
    }
    await expect(readAll(endless())).rejects.toMatchObject({ code: 'LR_USAGE' })
    expect(chunks).toBe(65)
  })
})
