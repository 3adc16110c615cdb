import { cp, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findFreePorts, retryOnPortClash } from '../../stack/ports.ts'
import { createScratchDirectory } from '../../stack/scratch-directory.ts'
import { startSupervised } from '../../stack/supervised-process.ts'
import { KeycloakAdmin } from './keycloak-admin.ts'
import { keycloakDistribution } from './keycloak-distribution.ts'

export interface KeycloakOptions {
  readonly kafkaBrokers: string
  readonly topic: string
  readonly adminTopic: string
  /** Representations of realms, as Keycloak imports them; `url` is where it will be. */
  readonly realms: (url: string) => readonly RealmRepresentation[]
}

export interface RealmRepresentation {
  readonly realm: string
  readonly [name: string]: unknown
}

const START_MS_MAX = 180_000
const ADMIN = { username: 'admin', password: 'admin' }

/** A real Keycloak in production mode on a loopback port, whose data are gone with it. It ends with this process at the latest. */
export class KeycloakServer implements AsyncDisposable {
  readonly url: string
  /** With `bin/kcadm.sh`. */
  readonly home: string
  readonly admin: KeycloakAdmin
  readonly #stop: () => Promise<void>

  static async start(options: KeycloakOptions): Promise<KeycloakServer> {
    const distribution = await keycloakDistribution()
    return retryOnPortClash(async () => {
      await using stack = new AsyncDisposableStack()
      const home = stack.use(createScratchDirectory('keycloak')).path
      const [port, managementPort] = await findFreePorts(2)
      const url = `http://127.0.0.1:${port}`
      await furnish(home, distribution, options.realms(url))
      const environment = [
        `KC_BOOTSTRAP_ADMIN_USERNAME=${ADMIN.username}`,
        `KC_BOOTSTRAP_ADMIN_PASSWORD=${ADMIN.password}`,
        `KAFKA_BOOTSTRAP_SERVERS=${options.kafkaBrokers}`,
        `KAFKA_TOPIC=${options.topic}`,
        `KAFKA_ADMIN_TOPIC=${options.adminTopic}`,
      ]
      const settings = {
        cache: 'local',
        'http-enabled': true,
        'http-host': '127.0.0.1',
        'http-port': port,
        'http-management-port': managementPort,
        hostname: url,
        // A minute is the least that it takes.
        'spi-user-sessions--infinispan--session-expiration-period': 60,
      }
      const args = Object.entries(settings).map(([name, value]) => `--${name}=${value}`)
      const server = await startSupervised({
        name: 'Keycloak',
        command: 'env',
        args: [
          ...environment,
          'java',
          ...javaArguments(home),
          'start',
          '--optimized',
          '--import-realm',
          ...args,
        ],
        logFile: join(home, 'log'),
      })
      stack.defer(() => server.kill())
      const isUp = () =>
        fetch(`${url}/realms/master`).then(
          ({ ok }) => ok,
          () => false,
        )
      await server.waitUntilReady(isUp, START_MS_MAX)
      const started = stack.move()
      return new KeycloakServer(url, home, () => started.disposeAsync())
    })
  }

  private constructor(url: string, home: string, stop: () => Promise<void>) {
    this.url = url
    this.home = home
    this.admin = new KeycloakAdmin(url, ADMIN)
    this.#stop = stop
  }

  issuer(realm: string): string {
    return `${this.url}/realms/${realm}`
  }

  /** Of the keys for signatures in the realm's JWK set. */
  async keyIds(realm: string): Promise<string[]> {
    const response = await fetch(`${this.issuer(realm)}/protocol/openid-connect/certs`)
    const { keys } = (await response.json()) as { keys: { kid: string; use?: string }[] }
    return keys.filter(({ use }) => use === 'sig').map(({ kid }) => kid)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stop()
  }
}

/** As `kc.sh` has them, which starts Java as a child that would outlive it. */
function javaArguments(home: string): string[] {
  const opened = ['util', 'util.concurrent', 'security', 'lang'].map(
    (it) => `--add-opens=java.base/java.${it}=ALL-UNNAMED`,
  )
  const factory = 'io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory'
  const properties = {
    'java.util.concurrent.ForkJoinPool.common.threadFactory': factory,
    'java.util.logging.manager': 'org.jboss.logmanager.LogManager',
    'kc.home.dir': home,
    'jboss.server.config.dir': join(home, 'conf'),
    'java.security.egd': 'file:/dev/urandom',
  }
  return [
    ...['-Xms64m', '-Xmx400m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', ...opened],
    ...Object.entries(properties).map(([name, value]) => `-D${name}=${value}`),
    ...['-cp', join(home, 'lib/quarkus-run.jar'), 'io.quarkus.bootstrap.runner.QuarkusEntryPoint'],
  ]
}

/** What Keycloak writes to is a copy; the rest is the distribution's. */
async function furnish(
  home: string,
  distribution: string,
  realms: readonly RealmRepresentation[],
): Promise<void> {
  for (const name of ['bin', 'conf'])
    await cp(join(distribution, name), join(home, name), { recursive: true })
  for (const name of ['lib', 'providers', 'themes']) await symlink(join(distribution, name), join(home, name))
  await mkdir(join(home, 'data/import'), { recursive: true })
  for (const it of realms)
    await writeFile(join(home, 'data/import', `${it.realm}-realm.json`), JSON.stringify(it))
}
