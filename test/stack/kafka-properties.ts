export interface BrokerPlace {
  /** Counts from 1. */
  readonly nodeId: number
  readonly port: number
  readonly controllerPort: number
}

/** Server properties of a node that is broker and controller in one. */
export function brokerProperties(
  { nodeId, port, controllerPort }: BrokerPlace,
  places: readonly BrokerPlace[],
  dataDirectory: string,
): Record<string, string> {
  const voters = places.map((place) => `${place.nodeId}@127.0.0.1:${place.controllerPort}`)
  return {
    'process.roles': 'broker,controller',
    'node.id': String(nodeId),
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    'inter.broker.listener.name': 'PLAINTEXT',
    'controller.quorum.voters': voters.join(','),
    'log.dirs': dataDirectory,
    ...replication(places.length),
    ...quickTests,
  }
}

function replication(brokers: number): Record<string, string> {
  const factor = String(Math.min(brokers, 3))
  const inSyncMin = String(Math.min(brokers, 2))
  return {
    'default.replication.factor': factor,
    'min.insync.replicas': inSyncMin,
    'offsets.topic.replication.factor': factor,
    'transaction.state.log.replication.factor': factor,
    'transaction.state.log.min.isr': inSyncMin,
    'share.coordinator.state.topic.replication.factor': factor,
    'share.coordinator.state.topic.min.isr': inSyncMin,
  }
}

const quickTests: Record<string, string> = {
  // Topics are made by those who need them; a misspelt name must not go unnoticed.
  'auto.create.topics.enable': 'false',
  'offsets.topic.num.partitions': '4',
  'transaction.state.log.num.partitions': '4',
  'share.coordinator.state.topic.num.partitions': '1',
  'group.initial.rebalance.delay.ms': '0',
  // So that a killed consumer can be noticed within seconds.
  'group.min.session.timeout.ms': '1000',
  // A killed broker may come back only when its old session has ended: 9 s by default.
  'broker.session.timeout.ms': '4000',
  'broker.heartbeat.interval.ms': '500',
  // 128 MB by default, half of the heap.
  'log.cleaner.dedupe.buffer.size': '4194304',
}

/** The format of a Java properties file, as far as these values need it. */
export function propertiesText(properties: Record<string, string>): string {
  return Object.entries(properties)
    .map(([key, value]) => `${key}=${value.replaceAll('\\', '\\\\')}\n`)
    .join('')
}
