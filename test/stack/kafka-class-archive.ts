import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type CachedItem, cached } from './download-cache.ts'
import { javaVersion } from './java.ts'
import { KafkaBroker } from './kafka-broker.ts'
import { KAFKA_VERSION, type KafkaDistribution } from './kafka-distribution.ts'
import { randomKafkaId } from './kafka-id.ts'
import { findFreePorts, retryOnPortClash } from './ports.ts'
import { createScratchDirectory } from './scratch-directory.ts'

const ARCHIVE = 'kafka.jsa'

/**
 * JVM arguments with which a broker starts from Kafka's classes in their loaded form (Java's "class data sharing"):
 * half of the CPU time of a start is the loading of classes. Made once for each build of Java, by a broker that is
 * started and ended for nothing else.
 */
export async function kafkaClassArchive(distribution: KafkaDistribution): Promise<string[]> {
  const build = createHash('sha256').update((await javaVersion()) ?? '')
  const item: CachedItem = {
    name: `kafka-${KAFKA_VERSION}-classes-${build.digest('hex').slice(0, 12)}`,
    preparation: 'preparing a quicker start of Kafka',
    fill: (directory) => retryOnPortClash(() => writeArchive(distribution, join(directory, ARCHIVE))),
  }
  const archive = join(await cached(item), ARCHIVE)
  // Some builds of Java cannot write one. Then the directory in the cache is empty, so that this is tried only once.
  // An archive that does not fit is passed over by the JVM by itself.
  return existsSync(archive) ? [`-XX:SharedArchiveFile=${archive}`] : []
}

async function writeArchive(distribution: KafkaDistribution, archive: string): Promise<void> {
  const [port, controllerPort] = (await findFreePorts(2)) as [number, number]
  const place = { nodeId: 1, port, controllerPort }
  await using scratch = createScratchDirectory('kafka')
  const broker = new KafkaBroker({
    distribution,
    clusterId: randomKafkaId(),
    place,
    places: [place],
    parentDirectory: scratch.path,
    properties: {},
    jvmArgs: [`-XX:ArchiveClassesAtExit=${archive}`],
  })
  try {
    await broker.format()
    await broker.start(1)
    await broker.terminate()
  } finally {
    await broker.kill()
  }
}
