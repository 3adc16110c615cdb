import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { KafkaDistribution } from './kafka-distribution.ts'
import { randomKafkaId } from './kafka-id.ts'
import { askForMetadata } from './kafka-metadata.ts'
import { type BrokerPlace, brokerProperties, propertiesText } from './kafka-properties.ts'
import { type SupervisedProcess, startSupervised } from './supervised-process.ts'

const START_TIMEOUT_MS = 120_000

export interface BrokerOptions {
  readonly distribution: KafkaDistribution
  readonly clusterId: string
  readonly place: BrokerPlace
  /** Of all brokers of the cluster, this one included. */
  readonly places: readonly BrokerPlace[]
  /** Exists; the broker makes its own directory in it. */
  readonly parentDirectory: string
  /** Added to the usual ones, or instead of them. */
  readonly properties: Record<string, string>
  readonly jvmArgs: readonly string[]
}

/** One node of a cluster, with a JVM of its own. It keeps its port and its data when it is killed and started again. */
export class KafkaBroker {
  readonly #options: BrokerOptions
  readonly #directory: string
  #process: SupervisedProcess | undefined

  constructor(options: BrokerOptions) {
    this.#options = options
    this.#directory = join(options.parentDirectory, `broker-${options.place.nodeId}`)
  }

  get address(): string {
    return `127.0.0.1:${this.#options.place.port}`
  }

  /** Makes the data directory, as Kafka's StorageTool would. */
  async format(): Promise<void> {
    const { clusterId, place, places, distribution, properties } = this.#options
    const dataDirectory = join(this.#directory, 'data')
    await mkdir(dataDirectory, { recursive: true })
    await writeFile(
      join(this.#directory, 'server.properties'),
      propertiesText({ ...brokerProperties(place, places, dataDirectory), ...properties }),
    )
    await writeFile(
      join(dataDirectory, 'meta.properties'),
      propertiesText({
        version: '1',
        'cluster.id': clusterId,
        'node.id': String(place.nodeId),
        'directory.id': randomKafkaId(),
      }),
    )
    await copyFile(distribution.checkpointFile, join(dataDirectory, 'bootstrap.checkpoint'))
  }

  /** Resolves when the broker answers, is alive to the cluster, and sees at least so many brokers alive. */
  async start(brokersAliveMin: number): Promise<void> {
    if (this.#process?.running) throw new Error(`broker ${this.address} is running already`)
    const { distribution, jvmArgs, place } = this.#options
    const process = await startSupervised({
      name: `Kafka broker ${place.nodeId}`,
      command: 'java',
      args: [
        ...jvmArgs,
        '-Xms256m',
        '-Xmx256m',
        '-XX:+UseSerialGC',
        '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
        '-cp',
        distribution.classPath,
        'kafka.Kafka',
        join(this.#directory, 'server.properties'),
      ],
      logFile: join(this.#directory, 'log'),
    })
    this.#process = process
    await process.waitUntilReady(() => this.#isReady(brokersAliveMin), START_TIMEOUT_MS)
  }

  async kill(): Promise<void> {
    await this.#process?.kill()
  }

  async terminate(): Promise<void> {
    await this.#process?.terminate()
  }

  freeze(): void {
    this.#process?.freeze()
  }

  thaw(): void {
    this.#process?.thaw()
  }

  async #isReady(brokersAliveMin: number): Promise<boolean> {
    const { clusterId, place } = this.#options
    const metadata = await askForMetadata(place.port)
    if (metadata === undefined) return false
    // A foreign broker on our port has another cluster id.
    const ours = metadata.clusterId === clusterId && metadata.nodeIds.includes(place.nodeId)
    return ours && metadata.controllerId >= 0 && metadata.nodeIds.length >= brokersAliveMin
  }
}
