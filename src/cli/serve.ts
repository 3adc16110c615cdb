import type { Command } from 'commander'
import { Service } from '../app/service.ts'
import { readConfig } from '../config/config.ts'
import { version } from '../lib/version.ts'
import { optimizeSooner } from '../runtime/optimize-sooner.ts'
import { createLog } from '../telemetry/log.ts'
import { openTracing } from '../telemetry/opentelemetry.ts'
import { watchNpmShell } from './npm-shell.ts'
import { optionsHelp } from './options-help.ts'

/** At the end: for whoever reads the log. */
const LOG_MS = 5_000

export function addServe(program: Command): void {
  program
    .command('serve')
    .description('consume triggers and deliver logouts until SIGTERM')
    .addHelpText('after', () => `\nConfiguration (environment):\n${optionsHelp()}`)
    .action(serve)
}

/** Runs the service until SIGTERM or SIGINT; a second signal ends it at once. Resolves when it has drained. */
async function serve(): Promise<void> {
  optimizeSooner()
  const config = readConfig()
  const log = createLog(config.service.logLevel)
  log.logger.info({ version, node: process.version }, 'starting')
  const service = new Service(config, log, await openTracing(version))
  process.on('exit', () => log.flush())
  const stopped = new Promise<void>((resolve, reject) => {
    let isStopping = false
    const stop = (reason: object): void => {
      isStopping = true
      log.logger.info(reason, 'stopping')
      service.stop().then(resolve, reject)
    }
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => (isStopping ? process.exit(130) : stop({ signal })))
    }
    // After Ctrl-C the shell may be gone first: no second order.
    watchNpmShell(() => {
      if (!isStopping) stop({ reason: 'npm has ended' })
    })
  })
  await Promise.race([service.start(), stopped])
  await stopped
  // The thread that waits for a reader would keep the process from ending for as long as nobody reads.
  if (!(await log.written(LOG_MS))) process.kill(process.pid, 'SIGKILL')
}
