import type { Command } from 'commander'
import { Service } from '../app/service.ts'
import { layout, readConfig } from '../config/config.ts'
import { describeOptions, type OptionDescription } from '../config/describe-options.ts'
import { isStartedByNpm } from '../config/env.ts'
import { version } from '../lib/version.ts'
import { wrapText } from '../lib/wrap-text.ts'
import { optimizeSooner } from '../runtime/optimize-sooner.ts'
import { createLog } from '../telemetry/log.ts'
import { openTracing } from '../telemetry/opentelemetry.ts'
import { reads } from './reads.ts'

/** Of 80 columns, behind the indent. */
const HELP_WIDTH = 74

const NPM_SHELL_LOOK_MS = 500

/** At the end: for whoever reads the log. */
const LOG_MS = 5_000

export function addServe(program: Command): void {
  reads(program.command('serve'), layout)
    .description('consume triggers and deliver logouts until SIGTERM')
    .addHelpText(
      'after',
      () => `\nConfiguration (environment):\n${describeOptions().map(optionHelp).join('\n')}`,
    )
    .action(serve)
}

function optionHelp({ name, description, required, defaultValue }: OptionDescription): string {
  const note = required ? 'required' : defaultValue === undefined ? '' : `default ${defaultValue || 'empty'}`
  const meaning = wrapText(description.replaceAll('`', ''), HELP_WIDTH).map((line) => `\n      ${line}`)
  return `  ${name}${note === '' ? '' : ` (${note})`}${meaning.join('')}`
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

/**
 * Calls `onGone` once when the shell that npm has put between itself and this process is gone. npm hands SIGTERM to that
 * shell; where it is dash, it dies of it and tells nobody, and the service would be left behind. Does nothing for a
 * process that npm has not started.
 */
function watchNpmShell(onGone: () => void): void {
  if (!isStartedByNpm()) return
  const shell = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === shell) return
    clearInterval(timer)
    onGone()
  }, NPM_SHELL_LOOK_MS)
  timer.unref()
}
