import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findFreePorts } from '../stack/ports.ts'
import { createScratchDirectory, type ScratchDirectory } from '../stack/scratch-directory.ts'
import { type SupervisedProcess, startSupervised } from '../stack/supervised-process.ts'

export interface Sample {
  readonly metric: Readonly<Record<string, string>>
  readonly value: readonly [atSeconds: number, value: string]
}

export interface FiringAlert {
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

const READY_MS_MAX = 15_000

/** A real Prometheus that scrapes relays, and looks at its alert rules, twice a second. */
export class PrometheusServer {
  readonly #process: SupervisedProcess
  readonly #scratch: ScratchDirectory
  readonly #url: string

  /** `targets` as `host:port`; `rules` as files. */
  static async start(
    binary: string,
    targets: readonly string[],
    rules: readonly string[] = [],
  ): Promise<PrometheusServer> {
    const scratch = createScratchDirectory('prometheus-server')
    const [port] = await findFreePorts(1)
    const config = join(scratch.path, 'prometheus.yml')
    const job = { job_name: 'logout-relay', static_configs: [{ targets }] }
    // JSON is YAML.
    await writeFile(
      config,
      JSON.stringify({
        global: { scrape_interval: '500ms', scrape_timeout: '500ms', evaluation_interval: '500ms' },
        rule_files: rules,
        scrape_configs: [job],
      }),
    )
    const args = [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(scratch.path, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ]
    const process = await startSupervised({
      name: 'Prometheus',
      command: binary,
      args,
      logFile: join(scratch.path, 'log'),
      cwd: scratch.path,
    })
    const server = new PrometheusServer(process, scratch, `http://127.0.0.1:${port}`)
    await process.waitUntilReady(() => server.#isReady(), READY_MS_MAX)
    return server
  }

  private constructor(process: SupervisedProcess, scratch: ScratchDirectory, url: string) {
    this.#process = process
    this.#scratch = scratch
    this.#url = url
  }

  /** The result of an expression now. Throws with Prometheus' own words when it cannot be evaluated. */
  async query(expression: string): Promise<readonly Sample[]> {
    const response = await fetch(`${this.#url}/api/v1/query`, {
      method: 'POST',
      body: new URLSearchParams({ query: expression }),
    })
    const answer = (await response.json()) as { error?: string; data?: { result: Sample[] } }
    if (answer.data === undefined) throw new Error(`${answer.error}: ${expression}`)
    return answer.data.result
  }

  /** What fires now; what is only pending does not. */
  async firingAlerts(): Promise<readonly FiringAlert[]> {
    const response = await fetch(`${this.#url}/api/v1/alerts`)
    const { data } = (await response.json()) as { data: { alerts: (FiringAlert & { state: string })[] } }
    return data.alerts.filter(({ state }) => state === 'firing')
  }

  async stop(): Promise<void> {
    await this.#process.kill()
    await this.#scratch.remove()
  }

  async #isReady(): Promise<boolean> {
    const response = await fetch(`${this.#url}/-/ready`).catch(() => undefined)
    return response?.ok === true
  }
}
