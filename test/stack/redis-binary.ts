import { chmod, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type CachedItem, cached, isCached } from './download-cache.ts'
import { hasMaven, unpackFiles } from './maven.ts'
import { commandSucceeds, runCommand } from './run-command.ts'

const EMBEDDED_REDIS = 'com.github.codemonstur:embedded-redis:1.4.4'

/** Platforms of Node for which that jar carries a server, and how the end of its name calls them. */
const embeddedPlatforms: Record<string, string> = {
  'linux-x64': 'linux-amd64',
  'linux-arm64': 'linux-arm64',
  'darwin-x64': 'darwin-amd64',
  'darwin-arm64': 'darwin-arm64',
}

const item: CachedItem = {
  name: `redis-${EMBEDDED_REDIS.split(':').slice(1).join('-')}-${process.platform}-${process.arch}`,
  preparation: 'fetching a Redis server (12 MB) from Maven Central',
  async fill(directory) {
    await unpackFiles(EMBEDDED_REDIS, `redis-server-*-${embeddedPlatform()}`, directory)
    await chmod(await binaryIn(directory), 0o755)
  },
}

/** The command for a Redis server: the installed one, else the one inside a jar of Maven Central, kept in the cache. */
export async function redisBinary(): Promise<string> {
  if (await commandSucceeds('redis-server', ['--version'])) return 'redis-server'
  const missing = await missingForRedis()
  if (missing !== undefined) throw new Error(`to run Redis as a process, install ${missing}`)
  const binary = await binaryIn(await cached(item))
  await runCommand(binary, ['--version']).catch((cause: Error) => {
    const advice =
      'install redis-server, or the libraries that this one misses (libssl3, on Debian and Ubuntu)'
    throw new Error(`the Redis server in the cache does not run here: ${advice}\n${cause.message}`, { cause })
  })
  return binary
}

/** What must be installed before Redis can run here; `undefined` when nothing. */
export async function missingForRedis(): Promise<string | undefined> {
  if (await commandSucceeds('redis-server', ['--version'])) return undefined
  const fetchable = embeddedPlatform() !== undefined && (isCached(item) || (await hasMaven()))
  return fetchable ? undefined : 'Redis (the command `redis-server`), or Java and Maven (`mvn`) to fetch one'
}

function embeddedPlatform(): string | undefined {
  return embeddedPlatforms[`${process.platform}-${process.arch}`]
}

async function binaryIn(directory: string): Promise<string> {
  const binary = (await readdir(directory)).find((name) => name.startsWith('redis-server-'))
  if (binary === undefined) throw new Error(`there is no Redis server in ${directory}`)
  return join(directory, binary)
}
