import { describe, expect, test } from 'vitest'
import { FanOuts } from '../../../src/intake/fan-outs.ts'
import { Mutex } from '../../../src/lib/mutex.ts'
import { ISSUER, OTHER_ISSUER } from '../sample-registration.ts'

const PARTS = 3

function fixture() {
  const stop = new AbortController()
  const fanOuts = new FanOuts({
    open: { isHalfFullFor: () => false },
    shares: { get: () => undefined },
    stopped: stop.signal,
    mutex: new Mutex(),
  })
  const queue = { isOpen: true, isClosed: false }
  const read: string[] = []
  const ended: string[] = []
  const anew: string[] = []
  /** A sign-out; it reads so many parts. */
  function signOut(
    name: string,
    untilMs: number,
    { issuer = ISSUER, subject = 'user-1', bytes = 0 } = {},
  ): Promise<void> {
    let left = PARTS
    const startOver = () => {
      left = PARTS
      anew.push(name)
    }
    const part = async () => {
      read.push(name)
      return --left > 0 ? ('more' as const) : ('done' as const)
    }
    const isDone = fanOuts.run({ issuer, queue, subject, untilMs, bytes, part, startOver })
    return isDone.then((it) => void ended.push(`${name} ${it ? 'done' : 'given up'}`))
  }
  return { anew, ended, fanOuts, queue, read, signOut, stop }
}

const times = (name: string) => Array.from({ length: PARTS }, () => name)

describe('fan-outs', () => {
  test('sign-outs of one user are gone through once more, with the latest cut-off, after the one that is under way', async () => {
    const { anew, ended, read, signOut } = fixture()
    await Promise.all([signOut('a', 10), signOut('b', 20), signOut('d', 40), signOut('c', 30)])
    expect(read).toEqual([...times('a'), ...times('d')])
    expect(ended).toEqual(['a done', 'b done', 'd done', 'c done'])
    await signOut('e', 5)
    expect(read.slice(2 * PARTS)).toEqual(times('e'))
    // Those that waited start over, because what they had read may be stale. The last one did not wait.
    expect(anew).toEqual(['b', 'd', 'c'])
  })

  test('what came after a sweep had begun is not covered by it, whatever its cut-off', async () => {
    const { read, signOut } = fixture()
    const first = signOut('a', 50)
    while (read.length === 0) await Promise.resolve()
    await Promise.all([first, signOut('b', 10)])
    expect(read).toEqual([...times('a'), ...times('b')])
  })

  test('users take turns', async () => {
    const { read, signOut } = fixture()
    await Promise.all([signOut('a', 1), signOut('b', 1, { subject: 'user-2' })])
    expect(read).toEqual(['a', 'b', 'a', 'b', 'a', 'b'])
  })

  test('users of one issuer do not stand before those of another', async () => {
    const { ended, read, signOut } = fixture()
    const many = Array.from({ length: 50 }, (_, n) => signOut('many', 1, { subject: `user-${n}` }))
    await signOut('other', 1, { issuer: OTHER_ISSUER, subject: 'user' })
    expect(read.length).toBeLessThanOrEqual(2 * PARTS + 1)
    await Promise.all(many)
    expect(ended).toHaveLength(51)
  })

  test('an issuer of which enough is under way does not make another wait', async () => {
    const { fanOuts, signOut } = fixture()
    fanOuts.noteOtherTraffic()
    const record = fanOuts.counted(ISSUER, { owe: () => undefined, acknowledge: () => undefined })
    for (let n = 0; n < 100; n++) record.owe()
    let isDone = false
    const waiting = signOut('many', 1).then(() => {
      isDone = true
    })
    await signOut('other', 1, { issuer: OTHER_ISSUER, subject: 'user' })
    expect(isDone).toBe(false)
    for (let n = 0; n < 100; n++) record.acknowledge()
    await waiting
  })

  test('all are given up when their partition goes to somebody else', async () => {
    const { ended, queue, signOut } = fixture()
    const all = ['a', 'b', 'c'].map((name, i) => signOut(name, i))
    queue.isClosed = true
    await Promise.all(all)
    expect(ended).toEqual(['a given up', 'b given up', 'c given up'])
  })

  test('intake waits while the records that are held are large, and goes on after', async () => {
    const { fanOuts, signOut } = fixture()
    const all = Array.from({ length: 20 }, (_, i) => signOut('a', i, { bytes: 1_000_000 }))
    expect(fanOuts.room.isOpen).toBe(false)
    await Promise.all(all)
    for (let i = 0; i < 2_000; i++) await signOut('b', i, { subject: `user-${i}` })
    expect(fanOuts.room.isOpen).toBe(true)
  })
})
