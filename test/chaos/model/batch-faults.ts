import { setTimeout as delay } from 'node:timers/promises'
import { inputRecord } from '../../support/input-record.ts'
import { holdsWithin } from '../poll.ts'
import type { SeededRandom } from '../seeded-random.ts'
import { ISSUER } from '../workload.ts'
import type { BatchCategory } from './categories.ts'
import { MODEL_PARTITIONS } from './draw-history.ts'
import { clientOf, type ModelSite } from './model-site.ts'

export interface Wounded {
  readonly site: ModelSite
  readonly random: SeededRandom
  readonly relays: number
  readonly say: (progress: string) => void
  /** Of a session that is alive. */
  readonly livingSession: { readonly sessionId: string; readonly userId: string }
}

/** What is done to everything at once. The first wave of a phase is written within `around`, the second one after it. */
export interface BatchFault {
  /** When everything is settled, a phase before. */
  readonly before?: (wounded: Wounded) => Promise<void>
  readonly around: (wounded: Wounded, writeFirstWave: (spreadMs?: number) => Promise<void>) => Promise<void>
  /** After the second wave. */
  readonly after?: (wounded: Wounded) => Promise<void>
}

const IN_SYNC_MS_MAX = 10_000
const WAVE_MS = 200
const HELD_MS = 500
/** After that a relay notes in Redis what Kafka does not take. */
const NOTED_MS = 1_200
/** The first wave goes on for so long while the store changes, so that every relay meets the change in the middle of it. */
const SPREAD_MS = 1_200
/** More than a heartbeat, mostly less. */
const BACK_MS_MAX = 1_500

const calm: BatchFault = {
  async around(_, writeFirstWave) {
    await writeFirstWave()
    await delay(WAVE_MS)
  },
}

const flush: BatchFault = {
  async around({ random, say, site }, writeFirstWave) {
    const empty = async () => {
      await delay(random.between(0, SPREAD_MS))
      say('FLUSHALL')
      await site.redis.flushall()
    }
    await Promise.all([empty(), writeFirstWave(SPREAD_MS)])
  },
}

export const batchFaults: Readonly<Record<BatchCategory, BatchFault>> = {
  calm,
  flush,
  // What is special is its first phase.
  'first-start': flush,
  crash: {
    async around({ random, say, site }, writeFirstWave) {
      await writeFirstWave()
      await delay(random.between(0, 300))
      say('SIGKILL of a relay')
      await site.relays.kill(random.pick(site.relays.running))
      await site.relays.launch()
    },
  },
  restart: {
    async around({ relays, say, site }, writeFirstWave) {
      say('all relays leave')
      await site.relays.stopAll()
      await writeFirstWave()
      await site.relays.start(relays)
    },
  },
  offsets: {
    async around({ relays, say, site }, writeFirstWave) {
      await site.relays.stopAll()
      say('the offsets of the group are deleted')
      await site.log.forgetOffsets(site.name)
      await writeFirstWave()
      await site.relays.start(relays)
    },
  },
  failover: {
    async before({ say, site }) {
      const replica = clientOf(replicaOf(site).url)
      try {
        await replica.replicaof('127.0.0.1', new URL(site.server.url).port)
        const isInSync = async () => (await replica.info('replication')).includes('master_link_status:up')
        if (!(await holdsWithin(isInSync, IN_SYNC_MS_MAX, 20))) throw new Error('the replica did not follow')
        say('from here on the replica lags')
        await replica.replicaof('NO', 'ONE')
      } finally {
        replica.disconnect()
      }
    },
    async around({ random, say, site }, writeFirstWave) {
      const move = async () => {
        await delay(random.between(0, SPREAD_MS / 3))
        say('the endpoint moves to the replica')
        site.endpoint.moveTo(replicaOf(site).url)
      }
      await Promise.all([move(), writeFirstWave(SPREAD_MS)])
    },
  },
  snapshot: {
    async before({ say, site }) {
      say('snapshot')
      await site.redis.save()
    },
    async around({ random, say, site }, writeFirstWave) {
      const restart = async () => {
        await delay(random.between(0, SPREAD_MS / 3))
        say('Redis is killed and starts from the snapshot')
        await site.server.kill()
        await site.server.start()
      }
      await Promise.all([restart(), writeFirstWave(SPREAD_MS)])
    },
  },
  reload: {
    async around({ random, say, site }, writeFirstWave) {
      const fallBack = async () => {
        await delay(random.between(0, SPREAD_MS / 2))
        await site.redis.save()
        const ms = random.between(0, BACK_MS_MAX)
        await delay(ms)
        say(`Redis goes back by ${ms} ms`)
        await site.redis.debug('RELOAD', 'NOSAVE')
      }
      await Promise.all([fallBack(), writeFirstWave(SPREAD_MS)])
    },
  },
  pending: {
    async around({ say, site }, writeFirstWave) {
      say('outcomes are refused')
      await site.log.forbidWriting(site.outcomeTopic)
      await writeFirstWave()
      await delay(NOTED_MS)
    },
    async after({ random, say, site }) {
      try {
        await delay(HELD_MS)
        if (random.next() < 0.5) {
          say('SIGKILL of a relay')
          await site.relays.kill(random.pick(site.relays.running))
          await site.relays.launch()
        }
      } finally {
        await site.log.allowWriting(site.outcomeTopic)
        say('outcomes are taken again')
      }
    },
  },
  transactions: {
    async around({ livingSession, random, say, site }, writeFirstWave) {
      const { log, name } = site
      const records = (id: string) => {
        const partition = random.between(0, MODEL_PARTITIONS - 1)
        const data = { issuer: ISSUER, ...livingSession }
        return [{ ...inputRecord('session-terminated', data, { id }), partition }]
      }
      say('a transaction is aborted, another one is left open')
      await log.publishAborted(name, records('aborted'))
      // So that it is fetched alone.
      await delay(WAVE_MS)
      const open = await log.openTransaction(name, records('open'))
      await writeFirstWave()
      await delay(HELD_MS)
      await open.end('abort')
      await delay(WAVE_MS)
      say('the transaction that was open is aborted')
    },
  },
}

function replicaOf({ replica }: ModelSite) {
  if (replica === undefined) throw new Error('this site has no replica')
  return replica
}
