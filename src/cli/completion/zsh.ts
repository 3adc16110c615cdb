import {
  allCommands,
  type DescribedCommand,
  type DescribedOption,
  namesWithValue,
} from './described-command.ts'
import { brief, nameOf, ORIGIN, quoted, steps } from './shell-text.ts'

/** A function for zsh, as a file `_logout-relay` in a folder of its `fpath`. */
export function zshCompletion(program: DescribedCommand): string {
  return `#compdef logout-relay
# ${ORIGIN}
local at='' last=1 i
for ((i = 2; i < CURRENT; i++)); do
  case "$words[i]" in
    (${namesWithValue(program).join('|')}) ((i++)); continue ;;
  esac
  case "$at \${words[i]}" in
    (${steps(program).map(quoted).join('|')}) at="\${at:+$at }\${words[i]}"; last=$i ;;
  esac
done
# What stands before the last command is done with.
words=("\${(@)words[last,-1]}")
((CURRENT -= last - 1))
case "$at" in
${allCommands(program).map(caseOf).join('\n')}
esac
`
}

function caseOf(command: DescribedCommand): string {
  const { choices, commands, options } = command
  const subcommands = commands.map((it) => `${it.path.at(-1)}\\:${quoted(escaped(it.description))}`)
  const offered = subcommands.length > 0 ? subcommands.join(' ') : choices.join(' ')
  const rest = subcommands.length > 0 ? `1:command:((${offered}))` : `1:value:(${offered})`
  const specs = [...options.map(specOf), ...(offered === '' ? [] : [quoted(rest)]), "'*: :_default'"]
  return `  (${quoted(nameOf(command))}) _arguments -S ${specs.join(' \\\n    ')} ;;`
}

function specOf({ choices, description, isFile, isValueOptional, names, value }: DescribedOption): string {
  const about = `[${escaped(description)}]`
  const offer = isFile ? '_files' : choices.length > 0 ? `(${choices.join(' ')})` : ' '
  const behind = value === undefined ? '' : `${isValueOptional ? '::' : ':'}${escaped(value)}:${offer}`
  const forms = names.map((name) => quoted(`${name}${about}${behind}`))
  return forms.join(' ')
}

/** Brackets and colons have a meaning to `_arguments`. */
function escaped(text: string): string {
  return brief(text).replaceAll(/[[\]:\\]/g, '\\$&')
}
