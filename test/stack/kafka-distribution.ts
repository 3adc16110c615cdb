import { copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type CachedItem, cached, isCached } from './download-cache.ts'
import { javaVersion, majorVersion } from './java.ts'
import { randomKafkaId } from './kafka-id.ts'
import { type BrokerPlace, brokerProperties, propertiesText } from './kafka-properties.ts'
import { copyWithDependencies, hasMaven } from './maven.ts'
import { runCommand } from './run-command.ts'
import { createScratchDirectory } from './scratch-directory.ts'

export const KAFKA_VERSION = '4.3.1'
const JAVA_MAJOR_VERSION_MIN = 17
const CHECKPOINT = 'bootstrap.checkpoint'

const item: CachedItem = {
  name: `kafka-${KAFKA_VERSION}`,
  preparation: `fetching Apache Kafka ${KAFKA_VERSION} (54 MB) from Maven Central`,
  async fill(directory) {
    const artifacts = [
      `org.apache.kafka:kafka_2.13:${KAFKA_VERSION}`,
      `org.apache.kafka:kafka-tools:${KAFKA_VERSION}`,
      'org.slf4j:slf4j-simple:1.7.36',
    ]
    await copyWithDependencies(artifacts, directory)
    await writeCheckpoint(directory)
  },
}

export interface KafkaDistribution {
  /** For `java -cp`. */
  readonly classPath: string
  /** Belongs into every formatted data directory. */
  readonly checkpointFile: string
}

/**
 * Apache Kafka's jars, from the cache, or from Maven Central when they are not there yet. Throws an error that says
 * what to install when that is impossible.
 */
export async function kafkaDistribution(): Promise<KafkaDistribution> {
  const missing = await missingForKafka()
  if (missing !== undefined) throw new Error(`to run Kafka as a process, install ${missing}`)
  const directory = await cached(item)
  return { classPath: join(directory, '*'), checkpointFile: join(directory, CHECKPOINT) }
}

/** What must be installed before Kafka can run here; `undefined` when nothing. */
export async function missingForKafka(): Promise<string | undefined> {
  const version = await javaVersion()
  if (version === undefined || majorVersion(version) < JAVA_MAJOR_VERSION_MIN) {
    return `Java ${JAVA_MAJOR_VERSION_MIN} or newer (the command \`java\`)`
  }
  if (!isCached(item) && !(await hasMaven())) return 'Maven (the command `mvn`)'
  return undefined
}

/**
 * Kafka's own formatting takes a JVM's start for each broker. Of the two files that it makes, `meta.properties` is
 * simple enough to be written by us; the other one depends on nothing but Kafka's version, so one formatting is enough.
 */
async function writeCheckpoint(directory: string): Promise<void> {
  await using scratch = createScratchDirectory('format')
  const place: BrokerPlace = { nodeId: 1, port: 1, controllerPort: 2 }
  const propertiesFile = join(scratch.path, 'server.properties')
  await writeFile(propertiesFile, propertiesText(brokerProperties(place, [place], scratch.path)))
  const jvmArgs = ['-XX:TieredStopAtLevel=1', '-cp', join(directory, '*')]
  const formatArgs = ['format', '-t', randomKafkaId(), '-c', propertiesFile]
  await runCommand('java', [...jvmArgs, 'kafka.tools.StorageTool', ...formatArgs])
  await copyFile(join(scratch.path, CHECKPOINT), join(directory, CHECKPOINT))
}
