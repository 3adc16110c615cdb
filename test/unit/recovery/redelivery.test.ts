import { expect, test } from 'vitest'
import type { Creditor } from '../../../src/delivery/delivery.ts'
import { RelayFault } from '../../../src/errors.ts'
import type { Registration } from '../../../src/events/registration.ts'
import { Patience } from '../../../src/recovery/patience.ts'
import { type OwedByCause, Redelivery, type RedeliveryOptions } from '../../../src/recovery/redelivery.ts'
import { ReplayBook } from '../../../src/recovery/replay-book.ts'
import { manualClock } from '../manual-clock.ts'

const registration = {
  issuer: 'https://i.example',
  sessionId: 's',
  oidcSessionId: 'o',
  clientId: 'c',
} as Registration
const owed = [{ cause: {}, registrations: [registration], broken: [] }] as never

/** `free`: whether nobody else holds the lease. */
function site(leases: { free: boolean }) {
  const book = new ReplayBook()
  const admitted: unknown[] = []
  const released: unknown[] = []
  const redelivery = new Redelivery({
    book,
    backlog: { watch: () => undefined } as never,
    clock: manualClock(1_000),
    core: {
      admission: { admit: (deliveries: unknown[]) => void admitted.push(...deliveries) },
      open: { room: { wait: async () => undefined } },
      relyingParties: { get: () => ({ key: 'k' }) },
      settings: { refresh: async () => undefined },
    } as unknown as RedeliveryOptions['core'],
    deadlineMs: 1_000,
    leases: {
      take: async (names) => names.map(() => leases.free),
      release: async (given) => void released.push(...given.map(({ name }) => name)),
    },
    patience: new Patience(),
    rate: undefined,
  })
  return { admitted, book, redelivery, released }
}

const all = async (registrations: readonly Registration[]) => registrations

test('the lease of what cannot be confirmed is given back: the next run would wait for it', async () => {
  const { admitted, redelivery, released } = site({ free: true })
  const lost = () => Promise.reject(new RelayFault('LR_REGISTRY_LOST', 'lost'))
  await expect(redelivery.deliver(owed, lost)).rejects.toThrow('lost')
  await redelivery.idle()
  expect(released).toEqual([registration])
  expect(admitted).toEqual([])
})

test('what was settled before its lease could be taken is not sent, and its lease is given back', async () => {
  const { admitted, book, redelivery, released } = site({ free: true })
  await redelivery.deliver(owed, async () => [])
  await redelivery.idle()
  expect(released).toEqual([registration])
  expect(admitted).toEqual([])
  expect(book.counts).toMatchObject({ owed: 0, parked: 0, open: 0 })
})

test('what another process holds is left to it until its lease ends, and then taken over', async () => {
  const leases = { free: false }
  const { admitted, book, redelivery } = site(leases)
  await redelivery.deliver(owed, all)
  await redelivery.takeOver(async () => undefined)
  expect(admitted).toEqual([])
  expect([redelivery.left, book.counts.parked]).toEqual([1, 1])
  leases.free = true
  await redelivery.takeOver(async () => undefined)
  expect(admitted).toHaveLength(1)
  expect([redelivery.left, book.counts.parked, book.counts.open]).toEqual([0, 0, 1])
})

test('what the other process settled at the last moment is not taken over', async () => {
  const leases = { free: false }
  const { admitted, book, redelivery } = site(leases)
  await redelivery.deliver(owed, all)
  leases.free = true
  await redelivery.takeOver(async () => void book.decide(registration, 'sent'))
  expect(admitted).toEqual([])
  expect(redelivery.left).toBe(0)
  expect(book.counts).toMatchObject({ owed: 1, sent: 1, parked: 0, open: 0 })
})

test('a lease is given back with the outcome; what is parked has given its own back with that', async () => {
  const { admitted, book, redelivery, released } = site({ free: true })
  const other = { ...registration, oidcSessionId: 'other' }
  await redelivery.deliver(
    [{ ...(owed as OwedByCause[])[0], registrations: [registration, other] }] as never,
    all,
  )
  const [one, parked] = admitted as { creditor: Creditor }[]
  book.decide(registration, 'sent')
  one?.creditor.settled()
  parked?.creditor.settled()
  await redelivery.idle()
  expect(released).toEqual([registration])
  expect(book.counts).toMatchObject({ sent: 1, parked: 1 })
})
