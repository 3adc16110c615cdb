import { describe, expect, onTestFinished, test } from 'vitest'
import { type KeyFileEvents, SigningKeys } from '../../../../src/issuers/signing/signing-keys.ts'
import { delay } from '../../../../src/lib/deferred.ts'
import { codeOf } from '../../../../src/lib/errors.ts'
import { manualClock } from '../../manual-clock.ts'
import { KeyFileOnDisk } from './key-file-on-disk.ts'
import { ecKey, jwkOf, jwkSet } from './key-material.ts'

const clock = manualClock(1_800_000_000_000)
const oldKey = jwkOf(ecKey(), { kid: 'old' })
const newKey = jwkOf(ecKey(), { kid: 'new' })

async function keysIn(text: string): Promise<SigningKeys> {
  using file = new KeyFileOnDisk(text)
  const keys = new SigningKeys(file.path, clock)
  await keys.load()
  return keys
}

/** As the issuers do it, until the test has ended. */
async function lookOften(keys: SigningKeys, events: KeyFileEvents): Promise<void> {
  const ended = new AbortController()
  onTestFinished(() => ended.abort())
  while (!ended.signal.aborted) {
    await keys.look(events)
    await delay(1)
  }
}

/** Looks at the file as often as can be, and lets a test wait for what is seen. */
function watched(keys: SigningKeys) {
  const seen: unknown[] = []
  let wake = (): void => undefined
  const note = (what: unknown): void => {
    seen.push(what)
    wake()
  }
  void lookOften(keys, { onReloaded: note, onReloadFailed: (error) => note(codeOf(error)) })
  return {
    seen,
    async next(): Promise<unknown> {
      if (seen.length === 0) await new Promise<void>((resolve) => (wake = resolve))
      return seen.shift()
    },
  }
}

describe('signing keys', () => {
  test('a key signs from its notBefore on, and is published before', async () => {
    const keys = await keysIn(jwkSet(oldKey, { ...newKey, notBefore: 1_800_000_060 }))
    expect(keys.keyFor('ES256').kid).toBe('old')
    expect(keys.publicJwks().map(({ kid }) => kid)).toEqual(['old', 'new'])
    clock.nowMs = 1_800_000_059_999
    expect(keys.keyFor('ES256').kid).toBe('old')
    clock.nowMs = 1_800_000_060_000
    expect(keys.keyFor('ES256').kid).toBe('new')
  })

  test('a key signs until its notAfter, and its end is known unless another key of the file takes over', async () => {
    const until = (kid: string, from: number, to: number) => ({
      ...jwkOf(ecKey(), { kid }),
      notBefore: 1_800_000_000 + from,
      notAfter: 1_800_000_000 + to,
    })
    const keys = await keysIn(
      jwkSet(until('first', 0, 100), until('second', 90, 200), until('late', 201, 300)),
    )
    clock.nowMs = 1_800_000_089_000
    expect(keys.keyFor('ES256').kid).toBe('first')
    expect(keys.facts.endings).toEqual([{ algorithm: 'ES256', kid: 'second', endsAtMs: 1_800_000_200_000 }])
    clock.nowMs = 1_800_000_199_999
    expect(keys.keyFor('ES256').kid).toBe('second')
    clock.nowMs = 1_800_000_200_000
    expect(() => keys.keyFor('ES256')).toThrow(/ES256/)
    expect(keys.facts.endings).toMatchObject([{ kid: 'second' }])
    clock.nowMs = 1_800_000_201_000
    expect(keys.keyFor('ES256').kid).toBe('late')
    const forEver = await keysIn(jwkSet(until('first', 0, 100), oldKey))
    expect(forEver.facts.endings).toEqual([])
    clock.nowMs = 1_800_000_000_000
  })

  test('of several valid keys the one that became valid last signs, wherever it stands', async () => {
    for (const order of [0, 1]) {
      const set = [
        { ...oldKey, notBefore: 1_000 },
        { ...newKey, notBefore: 2_000 },
      ]
      if (order === 1) set.reverse()
      expect((await keysIn(jwkSet(...set))).keyFor('ES256').kid).toBe('new')
    }
  })

  test('a missing file and a missing algorithm are named', async () => {
    await expect(new SigningKeys('/nowhere/keys', clock).load()).rejects.toMatchObject({
      code: 'LR_KEYS_INVALID',
    })
    const keys = await keysIn(jwkSet(oldKey))
    expect(() => keys.keyFor('EdDSA')).toThrow(/EdDSA/)
  })

  test('a rotation is taken up without a restart', async () => {
    using file = new KeyFileOnDisk(jwkSet(oldKey))
    const keys = new SigningKeys(file.path, clock)
    await keys.load()
    const { next } = watched(keys)
    file.write(jwkSet(newKey))
    expect(await next()).toEqual(['new'])
    expect(keys.keyFor('ES256').kid).toBe('new')
    file.write(jwkSet(oldKey))
    expect(await next()).toEqual(['old'])
  })

  test('a file that turns bad is told of and leaves the keys as they were', async () => {
    using file = new KeyFileOnDisk(jwkSet(oldKey))
    const keys = new SigningKeys(file.path, clock)
    await keys.load()
    const { next } = watched(keys)
    file.write('{"keys": [')
    expect(await next()).toBe('LR_KEYS_INVALID')
    expect(keys.keyFor('ES256').kid).toBe('old')
    file.write(jwkSet(newKey))
    const isReloaded = async (): Promise<unknown> => {
      const seen = await next()
      return seen === 'LR_KEYS_INVALID' ? isReloaded() : seen
    }
    expect(await isReloaded()).toEqual(['new'])
    expect(keys.keyFor('ES256').kid).toBe('new')
  })

  test('a file that stays bad was told of once only: no alert saw it before the next start failed', async () => {
    using file = new KeyFileOnDisk(jwkSet(oldKey))
    const keys = new SigningKeys(file.path, clock)
    await keys.load()
    const seen: number[] = []
    let reloaded = (): void => undefined
    const mended = new Promise<void>((resolve) => (reloaded = resolve))
    file.write('{"keys": [')
    await new Promise<void>((resolve) => {
      void lookOften(keys, {
        onReloaded: () => reloaded(),
        onReloadFailed(_error, failures) {
          seen.push(failures)
          if (seen.length === 3) file.write('[]')
          if (seen.length === 6) resolve()
        },
      })
    })
    // Another text that is bad in another way is another row.
    expect(seen.slice(0, 6)).toEqual([1, 2, 3, 1, 2, 3])
    file.write(jwkSet(newKey))
    await mended
  })
})
