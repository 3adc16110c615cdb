import { describeOptions, type OptionDescription } from '../config/describe-options.ts'

/** The options of the service as plain text, for `--help`. */
export function optionsHelp(): string {
  return describeOptions().map(entry).join('\n')
}

function entry({ name, description, required, defaultValue }: OptionDescription): string {
  const note = required ? 'required' : defaultValue === undefined ? '' : `default ${defaultValue || 'empty'}`
  return `  ${name}${note === '' ? '' : ` (${note})`}\n      ${description.replaceAll('`', '')}`
}
