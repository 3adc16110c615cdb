import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createKafkaClient } from '../../src/kafka/kafka-client.ts'
import { kafkajs } from '../../src/kafka/kafkajs/kafkajs.ts'
import { type KafkaCluster, startKafkaCluster } from '../stack/kafka-cluster.ts'
import { kafkaDistribution } from '../stack/kafka-distribution.ts'
import { findFreePorts } from '../stack/ports.ts'
import { runCommand } from '../stack/run-command.ts'
import { selfSignedCertificate } from './self-signed-certificate.ts'

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs

export const SASL_USER = 'relay'
export const SASL_PASSWORD = 'a-password-of-tests'
/** What the broker calls the client by its certificate. */
export const TLS_USER = 'CN=relay-client'

type Right = readonly [
  operation: 'READ' | 'WRITE' | 'DESCRIBE' | 'CREATE',
  on: 'topic' | 'group',
  name: string,
]

/**
 * A broker that lets nobody do anything: a listener that wants a client certificate, one that wants a login over TLS,
 * and one without either for the tests themselves, whose user may do everything.
 */
export class SecuredKafka implements AsyncDisposable {
  readonly #cluster: KafkaCluster
  readonly #ports: readonly [mutualTls: number, sasl: number]
  readonly files: { readonly ca: string; readonly clientCert: string; readonly clientKey: string }

  static async start(folder: string): Promise<SecuredKafka> {
    const server = selfSignedCertificate('localhost')
    const client = selfSignedCertificate('relay-client')
    const path = (name: string) => join(folder, name)
    await Promise.all([
      writeFile(path('broker.pem'), `${server.key}${server.cert}`),
      writeFile(path('broker-ca.pem'), server.cert),
      writeFile(path('client.pem'), client.cert),
      writeFile(path('client-key.pem'), client.key),
    ])
    const [mutualTls, sasl] = (await findFreePorts(2)) as [number, number]
    const cluster = await startKafkaCluster({
      properties: ({ port, controllerPort }) => ({
        listeners: [
          `PLAINTEXT://127.0.0.1:${port}`,
          `CONTROLLER://127.0.0.1:${controllerPort}`,
          `MUTUAL://127.0.0.1:${mutualTls}`,
          `LOGIN://127.0.0.1:${sasl}`,
        ].join(','),
        'advertised.listeners': `PLAINTEXT://127.0.0.1:${port},MUTUAL://localhost:${mutualTls},LOGIN://localhost:${sasl}`,
        'listener.security.protocol.map':
          'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,MUTUAL:SSL,LOGIN:SASL_SSL',
        'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
        'super.users': 'User:ANONYMOUS',
        'ssl.keystore.type': 'PEM',
        'ssl.keystore.location': path('broker.pem'),
        'ssl.truststore.type': 'PEM',
        'ssl.truststore.location': path('client.pem'),
        'listener.name.mutual.ssl.client.auth': 'required',
        'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
        'listener.name.login.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required user_${SASL_USER}="${SASL_PASSWORD}";`,
        'listener.name.login.scram-sha-256.sasl.jaas.config': SCRAM_LOGIN,
        'listener.name.login.scram-sha-512.sasl.jaas.config': SCRAM_LOGIN,
      }),
    })
    const files = {
      ca: path('broker-ca.pem'),
      clientCert: path('client.pem'),
      clientKey: path('client-key.pem'),
    }
    const kafka = new SecuredKafka(cluster, [mutualTls, sasl], files)
    await kafka.#createScramUser()
    return kafka
  }

  private constructor(cluster: KafkaCluster, ports: readonly [number, number], files: SecuredKafka['files']) {
    this.#cluster = cluster
    this.#ports = ports
    this.files = files
  }

  /** In clear, for the tests. */
  get brokers(): string {
    return this.#cluster.brokers
  }

  get mutualTlsBrokers(): string {
    return `localhost:${this.#ports[0]}`
  }

  get saslBrokers(): string {
    return `localhost:${this.#ports[1]}`
  }

  async grant(user: string, ...rights: readonly Right[]): Promise<void> {
    const admin = createKafkaClient(this.brokers.split(','), 'test', () => undefined).admin()
    await admin.connect()
    try {
      await admin.createAcls({
        acl: rights.map(([operation, on, name]) => ({
          resourceType: on === 'topic' ? AclResourceTypes.TOPIC : AclResourceTypes.GROUP,
          resourceName: name,
          resourcePatternType: ResourcePatternTypes.LITERAL,
          principal: `User:${user}`,
          host: '*',
          operation: AclOperationTypes[operation],
          permissionType: AclPermissionTypes.ALLOW,
        })),
      })
    } finally {
      await admin.disconnect()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cluster.stop()
  }

  /** Kafka takes one mechanism of a user at a time. */
  async #createScramUser(): Promise<void> {
    const { classPath } = await kafkaDistribution()
    for (const mechanism of ['SCRAM-SHA-256', 'SCRAM-SHA-512']) {
      await runCommand('java', [
        ...['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', classPath, 'kafka.admin.ConfigCommand'],
        ...['--bootstrap-server', this.brokers, '--alter', '--entity-type', 'users'],
        ...['--entity-name', SASL_USER, '--add-config', `${mechanism}=[password=${SASL_PASSWORD}]`],
      ])
    }
  }
}

const SCRAM_LOGIN = 'org.apache.kafka.common.security.scram.ScramLoginModule required;'
