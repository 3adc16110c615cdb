import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { randomKafkaId } from './kafka-id.ts'
import { brokerProperties } from './kafka-properties.ts'
import { leaveLastWill } from './last-will.ts'
import { findFreePorts, retryOnPortClash } from './ports.ts'
import { commandSucceeds, runCommand } from './run-command.ts'
import { createScratchDirectory } from './scratch-directory.ts'

const composeFile = fileURLToPath(new URL('compose.yaml', import.meta.url))
/** A directory of the image to which its user may write. */
const DATA_DIRECTORY = '/tmp/kraft-combined-logs'
const HEALTHY_TIMEOUT_S = 120

export type ContainerService = 'kafka' | 'redis'

export interface ContainerServer {
  /** Of 127.0.0.1. */
  readonly port: number
  /** Ends and removes the container. Idempotent. */
  stop(): Promise<void>
}

/** Whether containers can be run: there is a daemon, and the compose plugin. */
export async function hasDocker(): Promise<boolean> {
  return (await commandSucceeds('docker', ['info'])) && commandSucceeds('docker', ['compose', 'version'])
}

/** Resolves when the container is healthy. Pulls its image first where that is missing. */
export async function startContainer(service: ContainerService): Promise<ContainerServer> {
  return retryOnPortClash(async () => {
    const project = `logout-relay-${randomBytes(4).toString('hex')}`
    const [kafkaPort, controllerPort, redisPort] = (await findFreePorts(3)) as [number, number, number]
    await using scratch = createScratchDirectory('compose')
    const kafkaEnvFile = join(scratch.path, 'kafka.env')
    await writeFile(kafkaEnvFile, kafkaEnvironment(kafkaPort, controllerPort))
    const variables = { KAFKA_PORT: kafkaPort, REDIS_PORT: redisPort, KAFKA_ENV_FILE: kafkaEnvFile }
    const envFile = join(scratch.path, 'compose.env')
    await writeFile(envFile, environmentText(variables))
    const compose = ['compose', '--project-name', project]
    // The daemon would keep the container. By the project's name alone, since the files are gone by then.
    const removal = leaveLastWill('docker', [...compose, 'down', '--volumes', '--timeout', '1'])
    const up = [
      'up',
      '--detach',
      '--quiet-pull',
      '--wait',
      '--wait-timeout',
      String(HEALTHY_TIMEOUT_S),
      service,
    ]
    try {
      await runCommand('docker', [...compose, '--file', composeFile, '--env-file', envFile, ...up])
    } catch (error) {
      const log = await runCommand('docker', [...compose, 'logs', '--tail', '25']).catch(() => '')
      process.stderr.write(log)
      await removal.execute()
      throw error
    }
    return { port: service === 'kafka' ? kafkaPort : redisPort, stop: () => removal.execute() }
  })
}

/** The image makes a broker's property of every variable that begins with `KAFKA_`. */
function kafkaEnvironment(port: number, controllerPort: number): string {
  const place = { nodeId: 1, port, controllerPort }
  const properties = {
    ...brokerProperties(place, [place], DATA_DIRECTORY),
    // Docker forwards a port to the container's own address; within the container the advertised one works, too.
    listeners: `PLAINTEXT://0.0.0.0:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
  }
  const variables = Object.entries(properties).map(([key, value]) => [
    `KAFKA_${key.toUpperCase().replaceAll('.', '_')}`,
    value,
  ])
  return environmentText({
    CLUSTER_ID: randomKafkaId(),
    KAFKA_HEAP_OPTS: '-Xms256m -Xmx256m',
    ...Object.fromEntries(variables),
  })
}

function environmentText(variables: Record<string, string | number>): string {
  return Object.entries(variables)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}
