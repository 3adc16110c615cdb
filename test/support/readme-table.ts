import { describeOptions, type OptionDescription } from '../../src/config/describe-options.ts'

const BEGIN = '<!-- options:begin -->'
const END = '<!-- options:end -->'

/** The configuration table of the README, one row per option, as Markdown. */
export function optionsTable(): string {
  return ['| option | default | meaning |', '|---|---|---|', ...describeOptions().map(row)].join('\n')
}

/** What stands between the two markers of the table, without the line breaks around it. Throws when they are missing. */
export function tableIn(readme: string): string {
  const [start, end] = bounds(readme)
  return readme.slice(start, end).trim()
}

/** The README with its table made anew; everything else stays as it is. */
export function withTable(readme: string, table: string): string {
  const [start, end] = bounds(readme)
  return `${readme.slice(0, start)}\n${table}\n${readme.slice(end)}`
}

function bounds(readme: string): [start: number, end: number] {
  const begin = readme.indexOf(BEGIN)
  const end = readme.indexOf(END)
  if (begin < 0 || end < begin) throw new Error(`the README has no ${BEGIN} … ${END}`)
  return [begin + BEGIN.length, end]
}

function row({ name, description, required, defaultValue }: OptionDescription): string {
  const byDefault = required ? '**required**' : defaultValue ? `\`${defaultValue}\`` : ''
  return `| \`${name}\` | ${byDefault} | ${description.replaceAll('|', '\\|')} |`
}
