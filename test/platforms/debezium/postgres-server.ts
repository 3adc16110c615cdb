import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { findFreePorts, retryOnPortClash } from '../../stack/ports.ts'
import { runCommand } from '../../stack/run-command.ts'
import { createScratchDirectory } from '../../stack/scratch-directory.ts'
import { startSupervised } from '../../stack/supervised-process.ts'
import { postgresBinaries } from './postgres-binaries.ts'

export interface PostgresServer extends AsyncDisposable {
  readonly port: number
}

const START_MS_MAX = 60_000
/** PostgreSQL refuses to run as root. */
const NOBODY = '65534'
const isRoot = process.getuid?.() === 0

/** A PostgreSQL with logical replication on a loopback port; its user is `postgres`, without a password. */
export async function startPostgres(): Promise<PostgresServer> {
  const binaries = await postgresBinaries()
  return retryOnPortClash(async () => {
    await using stack = new AsyncDisposableStack()
    const scratch = stack.use(createScratchDirectory('postgres')).path
    // Whoever runs it instead of root cannot look into root's cache.
    const programs = join(scratch, 'programs')
    await cp(binaries, programs, { recursive: true, verbatimSymlinks: true })
    if (isRoot) await runCommand('chown', ['-R', `${NOBODY}:${NOBODY}`, scratch])
    const data = join(scratch, 'data')
    const as = (program: string, args: readonly string[]) => {
      const command = [join(programs, 'bin', program), ...args]
      const drop = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups']
      const [first = '', ...rest] = isRoot ? [...drop, ...command] : command
      return { command: first, args: rest }
    }
    const make = as('initdb', ['-D', data, '-U', 'postgres', '--auth=trust', '--encoding=UTF8', '--no-sync'])
    await runCommand(make.command, make.args, scratch)
    const [port = 0] = await findFreePorts(1)
    const settings = {
      port,
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      wal_level: 'logical',
      max_replication_slots: 30,
      max_wal_senders: 30,
      fsync: 'off',
    }
    const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const server = await startSupervised({
      name: 'PostgreSQL',
      ...as('postgres', ['-D', data, ...options]),
      logFile: join(scratch, 'log'),
      cwd: scratch,
    })
    stack.defer(() => server.terminate())
    await server.waitUntilReady(() => /ready to accept connections/.test(server.log()), START_MS_MAX)
    const started = stack.move()
    return { port, [Symbol.asyncDispose]: () => started.disposeAsync() }
  })
}
