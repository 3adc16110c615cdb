import type { Message } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compressions } from '../support/compressing-codecs.ts'
import { eventually } from '../support/eventually.ts'
import { relayCommand } from '../support/relay-command.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import type { RelaySite } from '../support/relay-site.ts'
import { TopicLog } from '../support/topic-log.ts'
import { openSite } from './open-site.ts'

const MEGABYTES = 1_024 * 1_024
/** What a hostile record may add to the memory of a relay, and what many may: V8 lets the buffers of several wait. */
const MORE_MB_MAX = { one: 64, many: 112 }

let site: RelaySite
let relay: RelayProcess
let deadLetters: TopicLog

beforeAll(async () => {
  // One partition, so that a batch that stops it stops everything behind it.
  site = await openSite({ topic: { partitions: 1, config: { 'max.message.bytes': '8000000' } } })
  relay = await site.startRelay()
  deadLetters = await TopicLog.follow(site.kafkaBrokers, site.deadLetterTopic)
  await isLoggedOut('warm')
})
afterAll(async () => {
  await deadLetters?.close()
  await site.close()
})

/** Behind whatever stands on the topic by now. */
async function isLoggedOut(name: string): Promise<void> {
  const registration = site.registration(`/${name}`)
  await site.topic.publish(site.registered(registration), site.terminated(registration))
  const { headers } = await site.topic.waitForOutcome(registration.clientId)
  expect(headers.ce_type).toBe('backchannel-logout-sent')
}

async function keepsItsMemory(records: keyof typeof MORE_MB_MAX, attack: () => Promise<void>): Promise<void> {
  const before = relay.memoryMib('VmRSS')
  const highest = relay.memoryMib('VmHWM')
  await attack()
  const after = relay.memoryMib('VmHWM')
  // What was its highest before says nothing.
  if (after > highest) expect(after - before).toBeLessThan(MORE_MB_MAX[records])
}

const end = async () => (await site.topic.endOffsets()).get(0) ?? 0

describe.each([
  ['gzip', 150],
  ['zstd', 150],
  ['lz4', 150],
  ['snappy', 20],
] as const)('a batch of %s that holds %i MB of zeros', (name, megabytes) => {
  test('is stepped over by a dead letter that says where it stands and how large it is, and does not hold it', () =>
    keepsItsMemory('one', async () => {
      const offset = await end()
      const zeros = Buffer.alloc(megabytes * MEGABYTES)
      await site.topic.publishCompressed(compressions[name].type, [{ key: 'bomb', value: zeros }])
      await isLoggedOut(`after-${name}`)
      const letter = await deadLetters.waitFor(
        ({ headers }) => headers['dead-letter-offset'] === String(offset),
      )
      expect(letter.value).toBeNull()
      expect(letter.headers).toMatchObject({
        'dead-letter-topic': site.topic.name,
        'dead-letter-partition': '0',
        'dead-letter-reason': expect.stringMatching(
          `^batch: \\d+ bytes of ${name} at the offsets ${offset}-${offset} hold more than the \\d+ bytes allowed$`,
        ),
      })
    }))
})

test('a chain of batches that each hold as much as one may does not fill the memory', () =>
  keepsItsMemory('many', async () => {
    const large = { value: Buffer.alloc(7.5 * MEGABYTES), headers: { ce_type: 'somebody.elses' } }
    for (let i = 0; i < 30; i++) {
      await site.topic.publishCompressed(compressions.zstd.type, [{ key: `poison ${i}`, value: 'x' }, large])
    }
    await isLoggedOut('after-chain')
    await deadLetters.waitFor(({ key }) => key === 'poison 29')
  }))

test.each([5, 7.9])('poison of %d MB that was small on the topic is a dead letter as it was', (megabytes) =>
  keepsItsMemory('many', async () => {
    const poison = { key: `large ${megabytes}`, value: Buffer.alloc(megabytes * MEGABYTES, 'x') }
    for (let i = 0; i < 3; i++) await site.topic.publishCompressed(compressions.zstd.type, [poison])
    await isLoggedOut(`after-${megabytes}`)
    const letters = () => deadLetters.records.filter(({ key }) => key === poison.key)
    await eventually(() =>
      expect(letters().map((it) => it.value?.length)).toEqual(Array(3).fill(poison.value.length)),
    )
  }),
)

describe.each([40_000, 330_000])('a record with one header name %i times', (times) => {
  test('is a dead letter with its value, and the relay goes on', () =>
    keepsItsMemory('one', async () => {
      const value = `many headers ${times}`
      const headers = { h: Array.from({ length: times }, () => '') }
      await site.topic.publish({ key: 'headers', value, headers } as Message)
      await isLoggedOut(`after-${times}-headers`)
      const letter = await deadLetters.waitFor((it) => String(it.value) === value)
      expect(letter.headers['dead-letter-reason']).toContain(`headers: has ${times} of them`)
      expect(letter.headers).not.toHaveProperty('h')
    }))
})

test('all other readers of the log step over them as well', async () => {
  expect(
    await deadLetters.waitFor(({ headers }) => headers['dead-letter-offset'] !== undefined),
  ).toBeDefined()
  const registration = site.registration('/behind-all')
  await site.topic.publish(site.registered(registration))
  await eventually(async () =>
    expect(await site.redis.exists(site.sessionKey(registration.sessionId))).toBe(1),
  )
  await relay.stop()
  await site.topic.publish(site.terminated(registration, { id: 'behind-all' }))

  const command = (...args: string[]) => relayCommand(args, site.commandEnvironment())
  const dryRun = await command('replay', '--from', '1h', '--dry-run', '--json')
  expect(dryRun).toMatchObject({ status: 0 })
  expect(dryRun.rows.map(({ client }) => client)).toContain(registration.clientId)
  expect(await command('reconcile', '--dry-run')).toMatchObject({ status: 0 })
  const traced = await command('trace', registration.sessionId)
  expect(traced.stdout).toContain('behind-all')

  // Lost as a whole, it is built anew from the log.
  await site.redis.del(await site.redisKeys())
  relay = await site.startRelay()
  await site.topic.waitForOutcome(registration.clientId)
})
