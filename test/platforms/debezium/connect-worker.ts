import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type CachedItem, cached } from '../../stack/download-cache.ts'
import { KAFKA_VERSION, kafkaDistribution } from '../../stack/kafka-distribution.ts'
import { propertiesText } from '../../stack/kafka-properties.ts'
import { copyWithDependencies } from '../../stack/maven.ts'
import { findFreePorts, retryOnPortClash } from '../../stack/ports.ts'
import { createScratchDirectory } from '../../stack/scratch-directory.ts'
import { startSupervised } from '../../stack/supervised-process.ts'
import { eventually } from '../../support/eventually.ts'

const DEBEZIUM_VERSION = '3.6.1.Final'
const START_MS_MAX = 120_000

const item: CachedItem = {
  name: `debezium-${DEBEZIUM_VERSION}-kafka-${KAFKA_VERSION}`,
  preparation: `fetching Kafka Connect ${KAFKA_VERSION} and Debezium ${DEBEZIUM_VERSION} from Maven Central`,
  fill: (directory) =>
    copyWithDependencies(
      [
        `org.apache.kafka:connect-runtime:${KAFKA_VERSION}`,
        `org.apache.kafka:connect-json:${KAFKA_VERSION}`,
        `io.debezium:debezium-connector-postgres:${DEBEZIUM_VERSION}`,
        'org.slf4j:slf4j-simple:1.7.36',
      ],
      directory,
    ),
}

export type ConnectorConfig = Readonly<Record<string, string>>

/** A real Kafka Connect with Debezium's connector, as a process of its own. */
export class ConnectWorker implements AsyncDisposable {
  readonly #url: string
  readonly #stop: () => Promise<void>

  static async start(kafkaBrokers: string): Promise<ConnectWorker> {
    // It says what to install where Java or Maven is missing.
    await kafkaDistribution()
    const jars = await cached(item)
    return retryOnPortClash(async () => {
      await using stack = new AsyncDisposableStack()
      const scratch = stack.use(createScratchDirectory('connect')).path
      const [port] = await findFreePorts(1)
      const url = `http://127.0.0.1:${port}`
      const file = join(scratch, 'worker.properties')
      const converter = 'org.apache.kafka.connect.json.JsonConverter'
      await writeFile(
        file,
        propertiesText({
          'bootstrap.servers': kafkaBrokers,
          listeners: url,
          'key.converter': converter,
          'value.converter': converter,
          'offset.storage.file.filename': join(scratch, 'offsets'),
          'plugin.discovery': 'service_load',
        }),
      )
      const jvm = ['-Xms64m', '-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
      const main = 'org.apache.kafka.connect.cli.ConnectStandalone'
      const worker = await startSupervised({
        name: 'Kafka Connect',
        command: 'java',
        args: [...jvm, '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', '-cp', join(jars, '*'), main, file],
        logFile: join(scratch, 'log'),
        cwd: scratch,
      })
      stack.defer(() => worker.kill())
      const isUp = () =>
        fetch(`${url}/connectors`).then(
          ({ ok }) => ok,
          () => false,
        )
      await worker.waitUntilReady(isUp, START_MS_MAX)
      const started = stack.move()
      return new ConnectWorker(url, () => started.disposeAsync())
    })
  }

  private constructor(url: string, stop: () => Promise<void>) {
    this.#url = url
    this.#stop = stop
  }

  /** Resolves when its task runs. Throws with what Connect says when it is refused or fails. */
  async run(name: string, config: ConnectorConfig): Promise<void> {
    const response = await fetch(`${this.#url}/connectors/${name}/config`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(config),
    })
    if (!response.ok) throw new Error(`connector ${name}: ${response.status} ${await response.text()}`)
    await eventually(async () => {
      const status = await (await fetch(`${this.#url}/connectors/${name}/status`)).json()
      const { tasks = [] } = status as { tasks?: { state: string; trace?: string }[] }
      if (tasks[0]?.state !== 'RUNNING') throw new Error(`connector ${name}: ${JSON.stringify(status)}`)
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stop()
  }
}
