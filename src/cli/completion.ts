import { Argument, type Command } from 'commander'
import { bashCompletion } from './completion/bash.ts'
import { describeCommand } from './completion/described-command.ts'
import { fishCompletion } from './completion/fish.ts'
import { zshCompletion } from './completion/zsh.ts'
import { reads } from './reads.ts'

/** The completion of each shell, made from the commands. */
export const completions = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const

export function addCompletion(program: Command, whole: () => Promise<Command>): void {
  reads(program.command('completion'))
    .description('print the completion of a shell')
    .addArgument(new Argument('<shell>', 'the shell').choices(Object.keys(completions)))
    .addHelpText(
      'after',
      `
Examples:
  $ logout-relay completion bash > /etc/bash_completion.d/logout-relay
  $ logout-relay completion zsh > "\${fpath[1]}/_logout-relay"
  $ logout-relay completion fish > ~/.config/fish/completions/logout-relay.fish`,
    )
    .action(async (shell: keyof typeof completions) => {
      process.stdout.write(completions[shell](describeCommand(await whole())))
    })
}
