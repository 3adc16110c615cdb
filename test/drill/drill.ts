import { expect, inject, vi } from 'vitest'
import { findFreePorts } from '../stack/ports.ts'
import { prometheusBinaries } from '../stack/prometheus-binaries.ts'
import { type FiringAlert, PrometheusServer } from '../support/prometheus-server.ts'
import { readiness } from '../support/readiness.ts'
import { type FinishedCommand, relayCommand } from '../support/relay-command.ts'
import type { LogLine } from '../support/relay-log.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import { RelaySite, type RelaySiteOptions } from '../support/relay-site.ts'
import { writeQuickRules } from './quick-rules.ts'
import { RunbookSection } from './runbook-section.ts'

export interface DrillOptions extends Partial<RelaySiteOptions> {
  /** How many replicas Prometheus looks for. */
  readonly replicas?: number
}

const ALERT_MS_MAX = 90_000

/**
 * A section of the runbook, mostly that of an alert, and an operator who does what it says: a site of its own, and a real
 * Prometheus with the chart's rules, a minute of which lasts a second.
 */
export class Drill implements AsyncDisposable {
  readonly site: RelaySite
  /** Of the section, and of the alert that leads to it. */
  readonly #name: string
  readonly #section: RunbookSection
  readonly #prometheus: PrometheusServer
  readonly #ports: readonly number[]

  static async open(name: string, options: DrillOptions = {}): Promise<Drill> {
    const binaries = await prometheusBinaries()
    if ('missing' in binaries) throw new Error(binaries.missing)
    const site = await RelaySite.open({
      kafkaBrokers: inject('kafkaBrokers'),
      redisUrl: inject('redisUrl'),
      ...options,
    })
    const ports = await findFreePorts(options.replicas ?? 1)
    const targets = ports.map((port) => `127.0.0.1:${port}`)
    const rules = await writeQuickRules(site.folder)
    const prometheus = await PrometheusServer.start(binaries.prometheus, targets, [rules])
    return new Drill(name, site, prometheus, ports)
  }

  private constructor(name: string, site: RelaySite, prometheus: PrometheusServer, ports: readonly number[]) {
    this.#name = name
    this.#section = new RunbookSection(name)
    this.site = site
    this.#prometheus = prometheus
    this.#ports = ports
  }

  /** Where the replica is, also while it does not run. */
  url(replica = 0): string {
    return `http://127.0.0.1:${this.#ports[replica]}`
  }

  /** Resolves when the replica is ready. */
  startRelay(env: Readonly<Record<string, string>> = {}, replica = 0): Promise<RelayProcess> {
    return this.site.startRelay({ ...env, PORT: String(this.#ports[replica]) }, 60_000)
  }

  /** Resolves when the alert fires and points to its section of the runbook. */
  async fires(labels: Readonly<Record<string, string>> = {}): Promise<FiringAlert> {
    const isFiring = async () => {
      const [alert] = await this.#firing(labels)
      if (alert === undefined) throw new Error(`${this.#name} does not fire`)
      return alert
    }
    const alert = await vi.waitFor(isFiring, { timeout: ALERT_MS_MAX, interval: 250 })
    expect(alert.annotations.runbook).toMatch(new RegExp(`docs/runbook.md#${this.#name.toLowerCase()}$`))
    return alert
  }

  /** Resolves when the alert does not fire any more: the end of a drill. */
  async resolves(labels: Readonly<Record<string, string>> = {}): Promise<void> {
    const isOver = async () => expect(await this.#firing(labels)).toEqual([])
    await vi.waitFor(isOver, { timeout: ALERT_MS_MAX, interval: 250 })
    this.isFollowed()
  }

  /** Nothing that the section says may be left. */
  isFollowed(): void {
    expect(this.#section.left).toEqual([])
  }

  /** Runs a command as the section has it; `<name>` stands for one of `values`, and `more` comes after it. */
  async run(
    instruction: string,
    values: Readonly<Record<string, string>> = {},
    ...more: readonly string[]
  ): Promise<FinishedCommand> {
    const [program, ...args] = this.#section.follow(instruction).split(' ')
    expect(program).toBe('logout-relay')
    const filled = args.map((arg) => arg.replace(/^<(\w+)>$/, (_, name: string) => values[name] ?? name))
    return relayCommand([...filled, ...more], this.site.commandEnvironment())
  }

  /** Fetches what a `curl` of the section fetches. */
  async curl(instruction: string, values: Readonly<Record<string, string>>): Promise<Response> {
    const address = this.#section.follow(instruction).slice('curl '.length)
    return fetch(address.replace(/<(\w+)>/, (_, name: string) => values[name] ?? name))
  }

  /** Resolves with a line of the log that has a part which the section names, as `"msg":"fault"`. */
  loggedBy(relay: RelayProcess, instruction: string, more: Partial<LogLine> = {}): Promise<LogLine> {
    const wanted = { ...JSON.parse(`{${this.#section.follow(instruction)}}`), ...more }
    return relay.waitForLog((line) => Object.entries(wanted).every(([name, value]) => line[name] === value))
  }

  metric(instruction: string, labels?: Readonly<Record<string, string>>, replica = 0): Promise<number> {
    const [name = ''] = this.#section.follow(instruction).split('{')
    return readMetric({ url: this.url(replica) }, name.slice('logout_relay_'.length), labels)
  }

  /** What `/readyz` says is not ready, and why. */
  async readyz(replica = 0): Promise<Record<string, string>> {
    return (await readiness(this.url(replica))).body
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#prometheus.stop()
    await this.site.close()
  }

  async #firing(wanted: Readonly<Record<string, string>>): Promise<readonly FiringAlert[]> {
    const all = await this.#prometheus.firingAlerts()
    const expected = Object.entries({ ...wanted, alertname: this.#name })
    return all.filter(({ labels }) => expected.every(([name, value]) => labels[name] === value))
  }
}
