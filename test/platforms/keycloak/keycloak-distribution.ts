import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { copyFile, mkdir, readdir, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type CachedItem, cached } from '../../stack/download-cache.ts'
import { KAFKA_VERSION, kafkaDistribution } from '../../stack/kafka-distribution.ts'
import { copyWithDependencies, packJar, unpackFiles } from '../../stack/maven.ts'
import { runCommand } from '../../stack/run-command.ts'
import { createScratchDirectory } from '../../stack/scratch-directory.ts'

const KEYCLOAK_VERSION = '26.7.3'
/** A compiler that is a jar, because what many machines have is a Java without one. */
const COMPILER = 'org.eclipse.jdt:ecj:3.40.0'
const LISTENER = 'KafkaEventListener'
const SERVICE = 'org.keycloak.events.EventListenerProviderFactory'

const source = fileURLToPath(new URL(`listener/${LISTENER}.java`, import.meta.url))

/**
 * The home directory of a Keycloak that is built, with the listener; nobody writes into it. From the cache, or from Maven
 * Central when it is not there yet. Throws an error that says what to install when that is impossible.
 */
export async function keycloakDistribution(): Promise<string> {
  // Before the item is filled, which holds the lock of the cache.
  const kafka = dirname((await kafkaDistribution()).classPath)
  const content = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 12)
  const item: CachedItem = {
    name: `keycloak-${KEYCLOAK_VERSION}-${content}`,
    preparation: `fetching Keycloak ${KEYCLOAK_VERSION} (200 MB) from Maven Central, and building it`,
    async fill(directory) {
      await unpackFiles(`org.keycloak:keycloak-quarkus-dist:${KEYCLOAK_VERSION}:zip`, '**', directory)
      const home = join(directory, 'keycloak')
      await rename(join(directory, `keycloak-${KEYCLOAK_VERSION}`), home)
      const client = join(home, `providers/kafka-clients-${KAFKA_VERSION}.jar`)
      await copyFile(join(kafka, `kafka-clients-${KAFKA_VERSION}.jar`), client)
      await packListener(home, client)
      await runCommand('bash', [join(home, 'bin/kc.sh'), 'build', '--db=dev-mem'])
    },
  }
  return join(await cached(item), 'keycloak')
}

async function packListener(home: string, client: string): Promise<void> {
  await using scratch = createScratchDirectory('listener')
  const tools = join(scratch.path, 'tools')
  const classes = join(scratch.path, 'classes')
  await copyWithDependencies([COMPILER], tools)
  const libraries = join(home, 'lib/lib/main')
  const needed = (await readdir(libraries)).filter((name) => /keycloak|jackson/.test(name))
  const classPath = [client, ...needed.map((name) => join(libraries, name))].join(':')
  const options = ['-17', '-nowarn', '-classpath', classPath, '-d', classes]
  const main = 'org.eclipse.jdt.internal.compiler.batch.Main'
  await runCommand('java', ['-cp', join(tools, '*'), main, ...options, source])
  await mkdir(join(classes, 'META-INF/services'), { recursive: true })
  await writeFile(join(classes, 'META-INF/services', SERVICE), LISTENER)
  await packJar(classes, join(home, 'providers/kafka-event-listener.jar'))
}
