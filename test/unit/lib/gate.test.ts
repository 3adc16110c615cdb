import { describe, expect, test } from 'vitest'
import { Gate } from '../../../src/lib/gate.ts'

describe('gate', () => {
  test('lets everybody through who waits when it opens, once', async () => {
    const gate = new Gate(false)
    const passed: number[] = []
    const all = [1, 2, 3].map((who) => gate.wait().then(() => passed.push(who)))
    await Promise.resolve()
    expect(passed).toEqual([])
    gate.open()
    gate.open()
    await Promise.all(all)
    expect(passed).toEqual([1, 2, 3])
  })

  test('open, it holds nobody up; closed again, it does', async () => {
    const gate = new Gate(true)
    await gate.wait()
    gate.close()
    expect(gate.isOpen).toBe(false)
    let hasPassed = false
    const waiting = gate.wait().then(() => {
      hasPassed = true
    })
    await Promise.resolve()
    expect(hasPassed).toBe(false)
    gate.open()
    await waiting
    expect([hasPassed, gate.isOpen]).toEqual([true, true])
  })
})
