import type { LogLine } from '../support/relay-log.ts'
import { readMetric } from '../support/relay-metrics.ts'
import { launchRelay, type RelayOptions, type RelayProcess } from '../support/relay-process.ts'

const READY_MS_MAX = 60_000
const EVIDENCE_LINES = 25

interface Member {
  readonly number: number
  readonly name: string
  readonly process: RelayProcess
  /** Its end was ordered, by whichever signal. */
  isOrdered: boolean
  hasEnded: boolean
}

/** The relay processes of a run. What ends without having been told to is remembered. */
export class RelayFleet implements AsyncDisposable {
  readonly #options: RelayOptions
  readonly #envOf: (relay: number) => Promise<Readonly<Record<string, string>>>
  readonly #members: Member[] = []
  readonly unexpectedExits: string[] = []
  #launched = 0

  /** `envOf`: further settings of each relay, in the order in which they are launched. */
  constructor(
    options: RelayOptions,
    envOf: (relay: number) => Promise<Readonly<Record<string, string>>> = async () => ({}),
  ) {
    this.#options = options
    this.#envOf = envOf
  }

  /** Those that were not told to end, the oldest first. */
  get running(): readonly RelayProcess[] {
    return this.#members.filter((it) => !it.isOrdered && !it.hasEnded).map(({ process }) => process)
  }

  /** Which one it is, in the order in which they were launched, from 1. */
  numberOf(relay: RelayProcess): number {
    return this.#members.find(({ process }) => process === relay)?.number ?? 0
  }

  /** Resolves when the process is there; it joins when it can. */
  async launch(): Promise<RelayProcess> {
    const number = ++this.#launched
    const env = { ...this.#options.env, ...(await this.#envOf(number)) }
    const process = await launchRelay({ ...this.#options, env })
    const name = `relay ${number}`
    const member: Member = { number, name, process, isOrdered: false, hasEnded: false }
    this.#members.push(member)
    void process.exitStatus().then((status) => {
      member.hasEnded = true
      if (!member.isOrdered) this.unexpectedExits.push(`${member.name} ended by itself with status ${status}`)
    })
    // For its address; that it may not become ready is the business of the invariants.
    void process.becomesReady(READY_MS_MAX).catch(() => undefined)
    return process
  }

  /** Resolves when all of them are ready. */
  async start(count: number): Promise<void> {
    const relays = await Promise.all(Array.from({ length: count }, () => this.launch()))
    await Promise.all(relays.map((relay) => relay.becomesReady(READY_MS_MAX)))
  }

  async kill(relay: RelayProcess): Promise<void> {
    this.#order(relay)
    await relay.kill()
  }

  /** SIGTERM; anything but a clean drain counts as an unexpected exit. */
  async stop(relay: RelayProcess): Promise<void> {
    const member = this.#order(relay)
    // Before that it would not know what SIGTERM means.
    await relay.waitForLog(({ msg }) => msg === 'listening', READY_MS_MAX).catch(() => undefined)
    const status = await relay.stop()
    if (status !== 0) this.unexpectedExits.push(`${member.name} left with status ${status} on SIGTERM`)
  }

  async stopAll(): Promise<void> {
    await Promise.all(this.running.map((relay) => this.stop(relay)))
  }

  /** The sum over the relays that run now; those that do not answer count as 0. `name` without prefix. */
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    const values = await Promise.all(
      this.running.map(async (relay) => readMetric(relay, name, labels).catch(() => 0)),
    )
    return values.reduce((sum, value) => sum + value, 0)
  }

  /** What the relays said last beside their attempts, for a run that failed. */
  evidence(): string[] {
    return this.#members.flatMap(({ name, process }) => {
      const lines = process.log.filter((line) => !isRoutine(line)).slice(-EVIDENCE_LINES)
      return lines.map((line) => `${name}: ${JSON.stringify(line)}`)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#members.map(async ({ process }) => this.kill(process)))
  }

  #order(relay: RelayProcess): Member {
    const member = this.#members.find(({ process }) => process === relay)
    if (member === undefined) throw new Error('not a relay of this fleet')
    member.isOrdered = true
    return member
  }
}

function isRoutine({ msg }: LogLine): boolean {
  return msg === 'attempt' || msg === 'poison record'
}
