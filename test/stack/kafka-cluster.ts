import { KafkaBroker } from './kafka-broker.ts'
import { kafkaClassArchive } from './kafka-class-archive.ts'
import { kafkaDistribution } from './kafka-distribution.ts'
import { randomKafkaId } from './kafka-id.ts'
import type { BrokerPlace } from './kafka-properties.ts'
import { findFreePorts, retryOnPortClash } from './ports.ts'
import { createScratchDirectory, type ScratchDirectory } from './scratch-directory.ts'

export interface KafkaClusterOptions {
  /** 1 by default. With 3, topics have three replicas, two of which must be in sync. */
  readonly brokers?: number
  /** Server properties for every broker, over the usual ones; or what makes them. */
  readonly properties?: Record<string, string> | ((place: BrokerPlace) => Record<string, string>)
  /** For brokers that run so long that compiling for speed pays: it costs a short-lived one a fifth of its processor time. */
  readonly isLongLived?: boolean
}

/** Real brokers, each a process that can be hurt. Brokers count from 0. It ends with this process at the latest. */
export interface KafkaCluster extends AsyncDisposable {
  /** "127.0.0.1:port,127.0.0.1:port" */
  readonly brokers: string
  readonly size: number
  /** SIGKILL; resolves when the process is gone. Nothing happens to a broker that is down. */
  kill(index: number): Promise<void>
  /** SIGTERM; resolves when the process is gone, having handed its partitions over where it can. */
  terminate(index: number): Promise<void>
  /**
   * Starts a broker that is down, on the same port and data; resolves when it answers and the cluster counts it as
   * alive. While the majority of the brokers is down no broker gets so far: start them together then.
   */
  start(index: number): Promise<void>
  /** SIGSTOP. Its connections stay open, and nothing answers on them. */
  freeze(index: number): void
  /** SIGCONT. */
  thaw(index: number): void
  /** Ends all brokers and removes their data. Idempotent. */
  stop(): Promise<void>
}

/** Resolves when every broker answers and sees all others; throws a `ServerFault` when one does not come up. */
export async function startKafkaCluster(options: KafkaClusterOptions = {}): Promise<KafkaCluster> {
  const distribution = await kafkaDistribution()
  const classArchive = await kafkaClassArchive(distribution)
  const jvmArgs = options.isLongLived ? classArchive : ['-XX:TieredStopAtLevel=1', ...classArchive]
  return retryOnPortClash(async () => {
    const { brokers: size = 1, properties = {} } = options
    const ports = await findFreePorts(2 * size)
    const places = Array.from({ length: size }, (_, index) => ({
      nodeId: index + 1,
      port: ports[2 * index] as number,
      controllerPort: ports[2 * index + 1] as number,
    }))
    const scratch = createScratchDirectory('kafka')
    const shared = {
      distribution,
      clusterId: randomKafkaId(),
      places,
      parentDirectory: scratch.path,
      jvmArgs,
    }
    const brokers = places.map((place) => {
      const own = typeof properties === 'function' ? properties(place) : properties
      return new KafkaBroker({ ...shared, place, properties: own })
    })
    const cluster = new ProcessCluster(brokers, scratch)
    try {
      await Promise.all(brokers.map((broker) => broker.format()))
      await Promise.all(brokers.map((broker) => broker.start(size)))
    } catch (error) {
      await cluster.stop()
      throw error
    }
    return cluster
  })
}

class ProcessCluster implements KafkaCluster {
  readonly #brokers: readonly KafkaBroker[]
  readonly #scratch: ScratchDirectory

  constructor(brokers: readonly KafkaBroker[], scratch: ScratchDirectory) {
    this.#brokers = brokers
    this.#scratch = scratch
  }

  get brokers(): string {
    return this.#brokers.map(({ address }) => address).join(',')
  }

  get size(): number {
    return this.#brokers.length
  }

  async kill(index: number): Promise<void> {
    await this.#broker(index).kill()
  }

  async terminate(index: number): Promise<void> {
    await this.#broker(index).terminate()
  }

  async start(index: number): Promise<void> {
    await this.#broker(index).start(1)
  }

  freeze(index: number): void {
    this.#broker(index).freeze()
  }

  thaw(index: number): void {
    this.#broker(index).thaw()
  }

  async stop(): Promise<void> {
    // The data is thrown away, so there is nothing that an orderly end could save.
    await Promise.all(this.#brokers.map((broker) => broker.kill()))
    await this.#scratch.remove()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #broker(index: number): KafkaBroker {
    const broker = this.#brokers[index]
    if (broker === undefined) throw new RangeError(`there is no broker ${index} among ${this.size}`)
    return broker
  }
}
