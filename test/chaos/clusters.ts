import { type KafkaCluster, startKafkaCluster } from '../stack/kafka-cluster.ts'

/**
 * So that a scenario can forbid something; without a rule for it everything is allowed. For one broker alone:
 * controllers of a larger cluster would have to be named, because they vote before any rule is known.
 */
const AUTHORIZATION = {
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'allow.everyone.if.no.acl.found': 'true',
}

/** The brokers that scenarios share, one cluster at a time. A run has topics of its own on it. */
export class Clusters implements AsyncDisposable {
  #current: { readonly kind: string; readonly cluster: KafkaCluster } | undefined

  /** `own`: settings of the brokers that a scenario wants beside the usual ones. */
  async take(size: number, own: Readonly<Record<string, string>> = {}): Promise<KafkaCluster> {
    const kind = JSON.stringify([size, own])
    if (this.#current?.kind === kind) return this.#current.cluster
    await this.discard()
    const properties = size === 1 ? { ...AUTHORIZATION, ...own } : { ...own }
    const cluster = await startKafkaCluster({ brokers: size, properties })
    this.#current = { kind, cluster }
    return cluster
  }

  /** After a scenario that failed nobody knows in what state the brokers are; the next one gets new ones. */
  async discard(): Promise<void> {
    const cluster = this.#current?.cluster
    this.#current = undefined
    await cluster?.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.discard()
  }
}
