import type { Command } from 'commander'
import { readConfig } from '../config/env.ts'
import { Service } from '../service.ts'
import { createLog } from '../telemetry/log.ts'
import { openTracing } from '../telemetry/opentelemetry.ts'
import { version } from '../version.ts'
import { optionsHelp } from './options-help.ts'

export function addServe(program: Command): void {
  program
    .command('serve')
    .description('consume triggers and deliver logouts until SIGTERM')
    .addHelpText('after', () => `\nConfiguration (environment):\n${optionsHelp()}`)
    .action(serve)
}

/** Runs the service until SIGTERM or SIGINT; a second signal ends it at once. Resolves when it has drained. */
async function serve(): Promise<void> {
  const config = readConfig()
  const log = createLog(config.LOG_LEVEL)
  log.logger.info({ version, node: process.version }, 'starting')
  const service = new Service(config, log, await openTracing(version))
  process.on('exit', () => log.flush())
  const stopped = new Promise<void>((resolve, reject) => {
    let signals = 0
    const stop = (signal: string): void => {
      signals++
      if (signals > 1) process.exit(130)
      log.logger.info({ signal }, 'stopping')
      service.stop().then(resolve, reject)
    }
    process.on('SIGTERM', stop)
    process.on('SIGINT', stop)
  })
  await Promise.race([service.start(), stopped])
  await stopped
}
