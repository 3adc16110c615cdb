import type { Command } from 'commander'
import { addShadowReport } from './shadow/report.ts'

export function addShadow(program: Command): void {
  const shadow = program
    .command('shadow')
    .description('what relays with MODE=shadow have found')
    .addHelpText('after', '\nExamples:\n  $ logout-relay shadow report --since 7d')
  addShadowReport(shadow)
}
