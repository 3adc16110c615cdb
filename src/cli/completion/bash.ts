import { allCommands, type DescribedCommand, namesWithValue } from './described-command.ts'
import { nameOf, ORIGIN, optionsWithOffers, quoted, steps } from './shell-text.ts'

/** A script for bash, to be sourced. */
export function bashCompletion(program: DescribedCommand): string {
  return `# ${ORIGIN}
_logout_relay() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} at='' i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${COMP_WORDS[i]}" in
      ${namesWithValue(program).join('|')}) ((i++)); continue ;;
    esac
    case "$at \${COMP_WORDS[i]}" in
      ${steps(program).map(quoted).join('|')}) at="\${at:+$at }\${COMP_WORDS[i]}" ;;
    esac
  done
  case "$at:$prev" in
${allCommands(program).flatMap(offersOf).join('\n')}
  esac
  case "$at" in
${allCommands(program).map(wordsOf).join('\n')}
  esac
}
complete -F _logout_relay logout-relay
`
}

/** What may stand behind an option. */
function offersOf(command: DescribedCommand): string[] {
  return optionsWithOffers(command).map(({ names, isFile, choices }) => {
    const on = names.map((name) => quoted(`${nameOf(command)}:${name}`)).join('|')
    const fill = isFile
      ? `compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur")`
      : `mapfile -t COMPREPLY < <(compgen -W ${quoted(choices.join(' '))} -- "$cur")`
    return `    ${on}) ${fill}; return ;;`
  })
}

function wordsOf(command: DescribedCommand): string {
  const { choices, commands, options } = command
  const words = [
    ...commands.map((it) => it.path.at(-1)),
    ...choices,
    ...options.flatMap(({ names }) => names),
  ]
  return `    ${quoted(nameOf(command))}) mapfile -t COMPREPLY < <(compgen -W ${quoted(words.join(' '))} -- "$cur") ;;`
}
