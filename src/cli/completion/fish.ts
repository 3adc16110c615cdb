import {
  allCommands,
  type DescribedCommand,
  type DescribedOption,
  namesWithValue,
} from './described-command.ts'
import { brief, nameOf, ORIGIN, steps } from './shell-text.ts'

/** A script for fish, as `logout-relay.fish` in its folder of completions. */
export function fishCompletion(program: DescribedCommand): string {
  return `# ${ORIGIN}
function __logout_relay_at
    set -l at
    set -l is_value 0
    for word in (commandline -opc)[2..-1]
        if test $is_value = 1
            set is_value 0
            continue
        end
        switch $word
            case ${namesWithValue(program).join(' ')}
                set is_value 1
                continue
        end
        switch "$at $word"
            case ${steps(program).map(quoted).join(' ')}
                set -a at $word
        end
    end
    test "$at" = "$argv"
end
complete -c logout-relay -f
${allCommands(program).flatMap(linesOf).join('\n')}
`
}

function linesOf(command: DescribedCommand): string[] {
  const start = `complete -c logout-relay -n ${quoted(`__logout_relay_at ${nameOf(command)}`.trim())}`
  const { choices, commands, options } = command
  return [
    ...commands.map((it) => `${start} -a ${it.path.at(-1)} -d ${quoted(brief(it.description))}`),
    ...choices.map((it) => `${start} -a ${it}`),
    ...options.map((it) => `${start} ${optionOf(it)}`),
  ]
}

function optionOf({ choices, description, isFile, isValueOptional, names, value }: DescribedOption): string {
  const forms = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`))
  const needs = value === undefined || isValueOptional ? [] : [isFile ? '-rF' : '-x']
  const offers = choices.length === 0 ? [] : [`-a ${quoted(choices.join(' '))}`]
  return [...forms, ...needs, ...offers, `-d ${quoted(brief(description))}`].join(' ')
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
