import { setTimeout as delay } from 'node:timers/promises'
import type { KafkaCluster } from '../../stack/kafka-cluster.ts'
import { readiness } from '../../support/readiness.ts'
import { holdsWithin } from '../poll.ts'
import { SeededRandom } from '../seeded-random.ts'
import { batchFaults, type Wounded } from './batch-faults.ts'
import {
  type BatchCategory,
  batchCategories,
  type Category,
  type HistoryCategory,
  historyCategories,
} from './categories.ts'
import { compare, type Happened, type SeenOutcome, type Violation } from './compare.ts'
import { drawHistory } from './draw-history.ts'
import { type History, LAST_PHASE, type Step } from './history.ts'
import { ModelSite } from './model-site.ts'
import { ModelWriter } from './model-writer.ts'
import { type Owed, promised } from './promise.ts'

export interface BatchOptions {
  readonly cluster: KafkaCluster
  readonly seed: number
  readonly histories: number
  readonly without: readonly Category[]
  readonly say: (progress: string) => void
}

export interface FailedHistory {
  readonly history: History
  readonly violations: readonly Violation[]
}

export interface BatchResult {
  readonly seed: number
  readonly category: BatchCategory
  readonly relays: number
  readonly histories: readonly History[]
  readonly registrations: number
  readonly failed: readonly FailedHistory[]
  /** Of the relays as a whole. */
  readonly violations: readonly Violation[]
  readonly seconds: number
  /** What the relays said last, where something failed. */
  readonly evidence: readonly string[]
}

const SETTLE_MS_MAX = 20_000
/** After a first standstill nobody need wait so long for the others. */
const SETTLE_AGAIN_MS_MAX = 2_000
/** One that was started just now has to become a member of the group first. */
const READY_MS_MAX = 15_000
const REFUSING_MS = 400
/** A store that was lost while nothing came in is noticed within that. */
const NOTICED_MS = 1_000
const CHUNK = 4

/** Many histories on one topic, told by the same relays, and one fault for all of them. */
export async function runBatch(options: BatchOptions): Promise<BatchResult> {
  const startedMs = performance.now()
  const { cluster, seed, without } = options
  const random = new SeededRandom(seed, 'batch')
  const category = categoryOf(seed, without)
  // Two of them notice at two times that the store is another one.
  const drawnRelays = category === 'failover' ? 2 : random.between(1, 2)
  const relays = without.includes('replicas') ? 1 : drawnRelays
  const allowed = (Object.keys(historyCategories) as HistoryCategory[]).filter((it) => !without.includes(it))
  const histories = Array.from({ length: options.histories }, (_, i) =>
    drawHistory(`h${i}`, new SeededRandom(seed, `history ${i}`), allowed, category === 'first-start'),
  )
  options.say(`${category}, ${relays} ${relays === 1 ? 'relay' : 'relays'}`)
  await using site = await ModelSite.open({
    cluster,
    clients: histories.flatMap(({ clients }) => clients),
    hasReplica: category === 'failover',
    sessionTimeoutMs: category === 'crash' || category === 'pending' ? 2_000 : 10_000,
  })
  const batch = new Batch({ site, random, relays, category, histories, say: options.say })
  const violations: Violation[] = []
  try {
    await batch.play()
  } catch (error) {
    const sentence = error instanceof Error ? (error.stack ?? error.message) : String(error)
    violations.push({ symptom: 'broke-off', sentence })
  }
  violations.push(...(await batch.judgeRelays()))
  const happened = await batch.happened()
  const owed = batch.owed()
  const failed = histories.flatMap((history): FailedHistory[] => {
    const mine = owed.filter(({ login }) => login.userId === `${history.name}.user`)
    const found = mine.flatMap((it) => compare(it, history, happened, category))
    return found.length > 0 ? [{ history, violations: found }] : []
  })
  const isWhole = failed.length === 0 && violations.length === 0
  return {
    seed,
    category,
    relays,
    histories,
    failed,
    violations,
    registrations: owed.length,
    seconds: (performance.now() - startedMs) / 1_000,
    evidence: isWhole ? [] : site.relays.evidence(),
  }
}

/** One after the other, so that a run of ten batches has them all. */
function categoryOf(seed: number, without: readonly Category[]): BatchCategory {
  const all = Object.keys(batchCategories) as BatchCategory[]
  const found = all[seed % all.length] as BatchCategory
  return without.includes(found) ? 'calm' : found
}

interface BatchParts {
  readonly site: ModelSite
  readonly random: SeededRandom
  readonly relays: number
  readonly category: BatchCategory
  readonly histories: readonly History[]
  readonly say: (progress: string) => void
}

class Batch {
  readonly #parts: BatchParts
  readonly #writer: ModelWriter
  readonly #steps: readonly Step[]
  readonly #violations: Violation[] = []
  readonly #phaseEndsMs: (number | undefined)[] = []
  #settleMs = SETTLE_MS_MAX

  constructor(parts: BatchParts) {
    this.#parts = parts
    this.#writer = new ModelWriter(parts.site)
    this.#steps = parts.histories.flatMap(({ steps }) => steps)
  }

  async play(): Promise<void> {
    const { category, histories, random, relays, say, site } = this.#parts
    const history = random.pick(histories)
    const livingSession = { sessionId: `${history.name}.s0`, userId: `${history.name}.user` }
    const wounded: Wounded = { site, random, relays, say, livingSession }
    const fault = batchFaults[category]
    // What a replica lacks is most when it lacks the first logins.
    const hurtAt = category === 'failover' ? 1 : random.between(1, LAST_PHASE - 1)
    const isFirstStart = category === 'first-start'
    const isHurtToo = !isFirstStart || random.next() < 0.5
    if (isFirstStart) await this.#startWhileWriting(relays)
    else await site.relays.start(relays)
    for (let phase = 0; phase <= LAST_PHASE; phase++) {
      const isHurt = phase === hurtAt && isHurtToo
      if (phase === hurtAt - 1 && isHurtToo) await fault.before?.(wounded)
      const write = (wave: 1 | 2, spreadMs = 0) => this.#write(this.#stepsOf(phase, wave), spreadMs)
      await site.rps.close()
      if (isFirstStart && phase === 0) await write(2)
      else if (isHurt) {
        await fault.around(wounded, (spreadMs) => write(1, spreadMs))
        await write(2)
        await fault.after?.(wounded)
      } else await batchFaults.calm.around(wounded, () => write(1)).then(() => write(2))
      await delay(REFUSING_MS)
      await site.rps.open()
      if (isHurt) await delay(NOTICED_MS)
      await this.#settle(phase)
    }
  }

  /** Old logouts and a part of the logins are there before the relays, the rest comes while they start. */
  async #startWhileWriting(relays: number): Promise<void> {
    const { histories, site } = this.#parts
    const isOld = (steps: readonly Step[]) =>
      steps.some(({ what, phase }) => what.kind === 'logout' && phase === 0)
    const first = ({ steps }: History) => steps.filter(({ phase, wave }) => phase === 0 && wave === 1)
    const old = histories.filter(({ steps }) => isOld(steps))
    await this.#writer.write(old.flatMap(first), true)
    let isStarted = false
    const starting = site.relays.start(relays).finally(() => {
      isStarted = true
    })
    const rest = histories.filter((it) => !old.includes(it)).flatMap(first)
    for (let i = 0; i < rest.length; i += CHUNK) {
      await this.#writer.write(rest.slice(i, i + CHUNK))
      if (!isStarted) await delay(40)
    }
    await starting
  }

  /** All at once, or a few at a time. */
  async #write(steps: readonly Step[], spreadMs: number): Promise<void> {
    if (spreadMs === 0) return this.#writer.write(steps)
    const pauseMs = (spreadMs * CHUNK) / steps.length
    for (let i = 0; i < steps.length; i += CHUNK) {
      await this.#writer.write(steps.slice(i, i + CHUNK))
      await delay(pauseMs)
    }
  }

  async #settle(phase: number): Promise<void> {
    const { say, site } = this.#parts
    let open: readonly string[] = ['nothing can be asked']
    const isSettled = await holdsWithin(
      async () => {
        open = await site.open()
        return open.length === 0
      },
      this.#settleMs,
      50,
    )
    this.#phaseEndsMs.push(isSettled ? Date.now() : undefined)
    if (isSettled) return
    this.#settleMs = SETTLE_AGAIN_MS_MAX
    const sentence = `phase ${phase} does not come to its end: ${open.join('; ')}`
    say(sentence)
    this.#violations.push({ symptom: 'not-settled', sentence })
  }

  async judgeRelays(): Promise<Violation[]> {
    const { relays, rps } = this.#parts.site
    const violations = [...this.#violations]
    for (const { url } of relays.running) {
      let answer: unknown
      const isReady = async () => {
        answer = await readiness(url).catch((error: Error) => error.message)
        return (answer as { status?: number }).status === 200
      }
      if (await holdsWithin(isReady, READY_MS_MAX, 50)) continue
      violations.push({ symptom: 'not-ready', sentence: `/readyz: ${JSON.stringify(answer)}` })
    }
    await relays.stopAll()
    for (const sentence of relays.unexpectedExits) violations.push({ symptom: 'unexpected-exit', sentence })
    for (const sentence of rps.invalid) violations.push({ symptom: 'invalid-token', sentence })
    return violations
  }

  owed(): Owed[] {
    return promised(this.#writer.written, this.#writer.startMs, Date.now())
  }

  async happened(): Promise<Happened> {
    const { site } = this.#parts
    const outcomes = new Map<string, SeenOutcome[]>()
    await site.log.readAll(site.outcomeTopic, ({ headers, value }) => {
      const type = String(headers.ce_type)
      const data = JSON.parse(String(value)) as { sid: string; reason?: string; trigger: { id: string } }
      const seen = outcomes.get(data.sid) ?? []
      outcomes.set(data.sid, seen)
      seen.push({
        id: String(headers.ce_id),
        kind: type === 'backchannel-logout-sent' ? 'sent' : 'failed',
        triggerId: data.trigger.id,
        ...(data.reason !== undefined && { reason: data.reason }),
      })
    })
    const aliveSids = await site.aliveSids()
    return { outcomes, aliveSids, arrivals: site.rps.arrivals, phaseEndsMs: this.#phaseEndsMs }
  }

  #stepsOf(phase: number, wave: 1 | 2): Step[] {
    return this.#steps.filter((step) => step.phase === phase && step.wave === wave)
  }
}
