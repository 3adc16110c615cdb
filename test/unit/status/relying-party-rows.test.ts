import { expect, test } from 'vitest'
import type { Delivery } from '../../../src/delivery/delivery.ts'
import { currentState } from '../../../src/registry/client-history.ts'
import { relyingPartyRows } from '../../../src/status/relying-party-rows.ts'
import { knownRelyingParties } from '../delivery/known-relying-parties.ts'
import { ISSUER } from '../sample-registration.ts'

const quiet = {
  problemAt: () => undefined,
  stateOf: () => undefined,
  timeMsOf: () => 1_000,
  obstacleOf: () => undefined,
  nowMs: 0,
  showsIssuer: false,
}
const sizeOf = (clientId: string, size: number) => ({ rpKey: `${ISSUER}|${clientId}`, size, nextDueMs: 77 })

test('an RP at which nothing goes on is not listed', () => {
  const parties = knownRelyingParties()
  parties.get(ISSUER, 'quiet')
  const rows = relyingPartyRows(
    { [Symbol.iterator]: () => parties[Symbol.iterator]() },
    [sizeOf('empty', 0)],
    quiet,
  )
  expect(rows).toEqual({
    rows: [],
    total: 0,
    silent: 0,
    troubled: [],
    troubledTotal: 0,
    paused: { parked: 0, rps: [], total: 0 },
    withheld: { parked: 0, issuers: [], total: 0 },
  })
})

test('the largest backlog first, then who is not sent to, then who is busy; problems beside them', () => {
  const parties = knownRelyingParties()
  parties.get(ISSUER, 'busy').inFlight = 3
  const dead = parties.get(ISSUER, 'dead')
  for (let i = 0; i < 5; i++) dead.breaker.failed()
  parties.get(ISSUER, 'parked').inFlight = 1
  const problem = { host: 'rp.example', error: 'HTTP 503', atMs: 1 }
  const { rows, silent, total } = relyingPartyRows(
    { [Symbol.iterator]: () => parties[Symbol.iterator]() },
    [sizeOf('parked', 4), sizeOf('of|another replica', 9)],
    { ...quiet, problemAt: (key) => (key === dead.key ? problem : undefined) },
  )
  expect([silent, total]).toEqual([1, 4])
  expect(rows).toEqual([
    { clientId: 'of|another replica', inFlight: 0, waiting: 0, parked: 9, nextDueMs: 77, breaker: 'closed' },
    { clientId: 'parked', inFlight: 1, waiting: 0, parked: 4, nextDueMs: 77, breaker: 'closed' },
    {
      clientId: 'dead',
      inFlight: 0,
      waiting: 0,
      parked: 0,
      breaker: 'open',
      openUntilMs: dead.breaker.openUntilMs,
      problem,
    },
    { clientId: 'busy', inFlight: 3, waiting: 0, parked: 0, breaker: 'closed' },
  ])
  dead.probe = {} as Delivery
  const again = relyingPartyRows({ [Symbol.iterator]: () => parties[Symbol.iterator]() }, [], quiet)
  expect(again.rows[0]).toEqual({ clientId: 'dead', inFlight: 0, waiting: 0, parked: 0, breaker: 'probing' })
})

test('where there are several issuers each row names its own', () => {
  const other = 'https://other.example'
  const sizes = [sizeOf('shop', 2), { rpKey: `${other}|shop`, size: 1, nextDueMs: 77 }]
  const { rows } = relyingPartyRows([], sizes, { ...quiet, showsIssuer: true })
  expect(rows.map(({ issuer, clientId }) => [issuer, clientId])).toEqual([
    [ISSUER, 'shop'],
    [other, 'shop'],
  ])
})

test('of a thousand the first are shown, and all are counted', () => {
  const sizes = Array.from({ length: 1_000 }, (_, i) => sizeOf(`c${i}`, i + 1))
  const { rows, total } = relyingPartyRows([], sizes, quiet)
  expect([rows.length, rows[0]?.parked, total]).toEqual([25, 1_000, 1_000])
})

test('what is parked for a paused client is not due, its deadline stands still, and nobody is late', () => {
  const state = currentState([{ atMs: 100, state: 'paused' }])
  const parked = { ...sizeOf('shop', 3), deadlineMs: 1_050 }
  const { late, paused, rows } = relyingPartyRows([], [parked], {
    ...quiet,
    nowMs: 900,
    stateOf: () => state,
  })
  expect(rows).toEqual([
    { clientId: 'shop', state: 'paused', inFlight: 0, waiting: 0, parked: 3, breaker: 'closed' },
  ])
  expect(late).toBeUndefined()
  expect(paused).toEqual({ parked: 3, rps: [{ clientId: 'shop' }], total: 1 })
})

test('after a pause the deadline is put off by as long as it lasted', () => {
  const state = currentState([
    { atMs: 100, state: 'paused' },
    { atMs: 700, state: 'active' },
  ])
  const parked = { ...sizeOf('shop', 3), deadlineMs: 1_050 }
  const { late, rows } = relyingPartyRows([], [parked], { ...quiet, nowMs: 900, stateOf: () => state })
  expect(rows[0]).toMatchObject({ deadlineMs: 1_650, nextDueMs: 77 })
  expect(rows[0]).not.toHaveProperty('state')
  expect(late).toBeUndefined()
})

test('an RP that refused before this replica was started takes no logouts: what is parked for it is due much later', () => {
  const later = { ...sizeOf('refusing', 2), nextDueMs: 639_000 }
  const { troubled, troubledTotal } = relyingPartyRows([], [later, sizeOf('draining', 9)], quiet)
  expect(troubledTotal).toBe(1)
  expect(troubled).toMatchObject([{ clientId: 'refusing', parked: 2 }])
  const stateOf = () => currentState([{ atMs: 1, state: 'paused' }])
  expect(relyingPartyRows([], [later], { ...quiet, stateOf }).troubledTotal).toBe(0)
})

test('with several issuers those whose RPs are troubled the most stand first, and no more than twenty', () => {
  const parties = knownRelyingParties()
  const dead = (issuer: string, clientId: string) => {
    const rp = parties.get(issuer, clientId)
    for (let i = 0; i < 5; i++) rp.breaker.failed()
  }
  dead('https://worst.example', 'a')
  dead('https://worst.example', 'b')
  dead('https://bad.example', 'a')
  parties.get('https://busy.example', 'a').inFlight = 2
  const sizes = Array.from({ length: 30 }, (_, i) => {
    return { rpKey: `https://t${i}.example|a`, size: i + 1, nextDueMs: 77, deadlineMs: 500 - i }
  })
  const rows = (showsIssuer: boolean) =>
    relyingPartyRows({ [Symbol.iterator]: () => parties[Symbol.iterator]() }, sizes, {
      ...quiet,
      showsIssuer,
    })
  const { issuers = [], issuersTotal } = rows(true)
  expect(issuersTotal).toBe(33)
  expect(issuers.slice(0, 3)).toEqual([
    { issuer: 'https://worst.example', silent: 2, parked: 0, busy: 0 },
    { issuer: 'https://bad.example', silent: 1, parked: 0, busy: 0 },
    { issuer: 'https://t29.example', silent: 0, parked: 30, busy: 0, deadlineMs: 471 },
  ])
  expect(issuers).toHaveLength(20)
  expect(rows(false).issuers).toBeUndefined()
})
