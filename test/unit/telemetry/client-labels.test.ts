import fc from 'fast-check'
import { Registry } from 'prom-client'
import { describe, expect, test } from 'vitest'
import { ClientFailures } from '../../../src/telemetry/client-failures.ts'

const HOUR = 3_600_000

function create(max: number) {
  const registry = new Registry()
  const clock = { ms: 0 }
  const now = () => clock.ms
  const failures = new ClientFailures({
    registers: [registry],
    name: 'a',
    help: 'A.',
    clientsMax: max,
    now,
  })
  return {
    labels: failures.clients,
    fail: (clientId: string, times = 1) => {
      for (let i = 0; i < times; i++) failures.failed(clientId)
    },
    later: (ms: number) => {
      clock.ms += ms
    },
    /** As a scrape shows it. */
    shown: async (): Promise<Record<string, number>> => {
      const { values } = await failures.get()
      return Object.fromEntries(values.map(({ labels, value }) => [labels.client_id, value]))
    },
  }
}

describe('failures by RP', () => {
  test('only so many RPs get a label, as they come; the others are counted together', async () => {
    const { fail, shown } = create(2)
    for (const clientId of ['a', 'b', 'c', 'd', 'a', '(others)']) fail(clientId)
    expect(await shown()).toEqual({ a: 2, b: 1, '(others)': 3 })
  })

  test('a real RP among made-up ones gets a label within a minute, from one of them', async () => {
    const { fail, later, shown } = create(100)
    for (let i = 0; i < 1_000; i++) fail(`made-up-${i}`)
    fail('shop', 5)
    later(60_000)
    fail('shop', 2)
    const values = await shown()
    expect(values).toMatchObject({ '(former)': 1 })
    later(60_000)
    fail('shop')
    expect(await shown()).toMatchObject({ shop: expect.toSatisfy((count: number) => count > 0) })
    expect(Object.keys(await shown()).length).toBeLessThanOrEqual(102)
  })

  test('labels do not go to and fro between equals', async () => {
    const { fail, later, shown } = create(10)
    for (let round = 0; round < 200; round++) {
      for (let i = 0; i < 30; i++) fail(`client-${i}`)
      later(60_000)
    }
    expect(await shown()).not.toHaveProperty('(former)')
  })

  test('what is owed weighs as well, as long as it is', async () => {
    const { fail, labels, later } = create(2)
    fail('a', 3)
    labels.owed(new Map([['b', 5]]))
    labels.owed(
      new Map([
        ['b', 5],
        ['c', 11],
      ]),
    )
    later(15_000)
    labels.owed(new Map([['c', 11]]))
    expect(['a', 'b', 'c'].map((clientId) => labels.of(clientId))).toEqual(['a', '(others)', 'c'])
  })

  test('whatever fails when: few labels at one time, few new ones in an hour, and a sum that never goes back', async () => {
    const step = fc.record({
      clientId: fc.oneof(fc.nat(5), fc.nat(3_000)).map((i) => `client-${i}`),
      times: fc.nat(30),
      ms: fc.oneof(fc.constant(0), fc.nat(60_000)),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 200, maxLength: 400 }), async (steps) => {
        const { fail, later, shown } = create(10)
        const seen = new Set<string>()
        let [atMs, counted, sum] = [0, 0, 0]
        for (const { clientId, times, ms } of steps) {
          fail(clientId, times)
          later(ms)
          atMs += ms
          counted += times
          const values = await shown()
          const names = Object.keys(values).filter((name) => !name.startsWith('('))
          for (const name of names) seen.add(name)
          expect(names.length).toBeLessThanOrEqual(10)
          const next = Object.values(values).reduce((a, b) => a + b, 0)
          expect(next).toBeGreaterThanOrEqual(sum)
          sum = next
        }
        expect(sum).toBe(counted)
        expect(seen.size).toBeLessThanOrEqual(10 + 10 + Math.ceil((20 * atMs) / HOUR))
      }),
      { numRuns: 20 },
    )
  })
})
