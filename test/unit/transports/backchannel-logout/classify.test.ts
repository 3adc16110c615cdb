import { describe, expect, test } from 'vitest'
import { classify } from '../../../../src/transports/backchannel-logout/classify.ts'
import type { Verdict } from '../../../../src/transports/transport.ts'

/** The verdict table of the design, written a second time: ranges of status codes, both ends included. */
const table: readonly (readonly [from: number, to: number, verdict: Verdict])[] = [
  [100, 199, 'rejected'],
  [200, 200, 'sent'],
  [201, 203, 'rejected'],
  [204, 204, 'sent'],
  [205, 299, 'rejected'],
  [300, 399, 'doubtful'],
  [400, 400, 'doubtful'],
  [401, 403, 'rejected'],
  [404, 404, 'doubtful'],
  [405, 407, 'rejected'],
  [408, 408, 'retry'],
  [409, 424, 'rejected'],
  [425, 425, 'retry'],
  [426, 428, 'rejected'],
  [429, 429, 'retry'],
  [430, 499, 'rejected'],
  [500, 599, 'retry'],
]

describe('classify', () => {
  test('judges every status from 100 to 599 as the table says', () => {
    let next = 100
    for (const [from, to, verdict] of table) {
      expect(from).toBe(next)
      for (let status = from; status <= to; status++) {
        expect([status, classify({ kind: 'answered', status })]).toEqual([status, verdict])
      }
      next = to + 1
    }
    expect(next).toBe(600)
  })

  test.each(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'LR_ATTEMPT_TIMEOUT', 'CERT_HAS_EXPIRED', 'UNKNOWN'])(
    'an RP that cannot be reached (%s) may be reachable later',
    (code) => {
      for (const staleConnection of [true, false]) {
        expect(classify({ kind: 'unreachable', code, message: 'it failed', staleConnection })).toBe('retry')
      }
    },
  )

  test.each(['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS', 'EADDRNOTAVAIL', 'LR_LOCAL'])(
    'an attempt that was not begun (%s) says nothing of the RP',
    (code) => {
      expect(classify({ kind: 'unreachable', code, message: 'it failed', staleConnection: false })).toBe(
        'local',
      )
    },
  )

  test('an address that the egress guard refuses is blocked', () => {
    expect(classify({ kind: 'blocked', message: '10.0.0.1 is private' })).toBe('blocked')
  })
})
