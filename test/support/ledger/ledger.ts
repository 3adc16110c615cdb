import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type {
  Arrival,
  Behaviour,
  Expectation,
  ExpectedSession,
  LedgerCondition,
  LedgerOptions,
  LedgerReady,
  LedgerSummary,
  RelyingParty,
} from './protocol.ts'

const WAIT_TIMEOUT_MS = 60_000
/** `fetch` gives up on an answer after five minutes, so a long wait is made of shorter ones. */
const WAIT_SLICE_MS = 30_000

/**
 * Starts the relying parties in a process of their own. They keep the ledger of what was delivered, which nothing
 * in the relay can influence. The process ends with `stop()`, or with this process, however that ends.
 */
export async function startLedger(options: LedgerOptions): Promise<Ledger> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('main.ts', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  child.stdin.write(`${JSON.stringify(options)}\n`)
  const ready = new Promise<LedgerReady>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', (line) => resolve(JSON.parse(line) as LedgerReady))
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`the ledger ended at its start with code ${code}`)))
  })
  return new Ledger(child, await ready)
}

export class Ledger {
  readonly relyingParties: readonly RelyingParty[]
  readonly #child: ChildProcess
  readonly #controlPort: number

  constructor(child: ChildProcess, ready: LedgerReady) {
    this.#child = child
    this.#controlPort = ready.controlPort
    this.relyingParties = ready.relyingParties
  }

  async summary(): Promise<LedgerSummary> {
    return this.#command('summary')
  }

  /** One element per (session, client) that arrived. */
  async arrivals(): Promise<Arrival[]> {
    return this.#command('arrivals')
  }

  /** Empties the book. Behaviours stay. */
  async reset(): Promise<void> {
    await this.#command('reset')
  }

  /** Compares the book with what should be in it. */
  async expect(sessions: readonly ExpectedSession[]): Promise<Expectation> {
    return this.#command('expect', sessions)
  }

  /** Changes what these origins do, from the next request on; all origins where none is named. */
  async behave(behaviour: Behaviour, origins?: readonly number[]): Promise<void> {
    await this.#command('behave', {
      origins: origins ?? this.relyingParties.map(({ origin }) => origin),
      behaviour,
    })
  }

  /** Resolves with the summary in which the condition first held (seen within 5 ms); throws after `timeoutMs`. */
  async waitFor(condition: LedgerCondition, timeoutMs = WAIT_TIMEOUT_MS): Promise<LedgerSummary> {
    for (let leftMs = timeoutMs; leftMs > 0; leftMs -= WAIT_SLICE_MS) {
      const slice = { condition, timeoutMs: Math.min(leftMs, WAIT_SLICE_MS) }
      const summary = await this.#command<LedgerSummary | null>('wait', slice)
      if (summary !== null) return summary
    }
    const { distinct, attempts, openConnections } = await this.summary()
    throw new Error(
      `the ledger waited ${timeoutMs} ms for ${JSON.stringify(condition)} in vain: ` +
        `${JSON.stringify({ distinct, attempts, openConnections })}`,
    )
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #command<T>(name: string, argument?: unknown): Promise<T> {
    const response = await fetch(`http://127.0.0.1:${this.#controlPort}/${name}`, {
      method: 'POST',
      body: argument === undefined ? '' : JSON.stringify(argument),
    })
    const answer = (await response.json()) as T
    if (!response.ok) throw new Error(`the ledger failed: ${answer}`)
    return answer
  }
}
