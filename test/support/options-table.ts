import { describeOptions, type OptionDescription } from '../../src/config/describe-options.ts'

const BEGIN = '<!-- options:begin -->'
const END = '<!-- options:end -->'

/** The table of docs/configure.md, one row per option, as Markdown. */
export function optionsTable(): string {
  return ['| option | default | meaning |', '|---|---|---|', ...describeOptions().map(row)].join('\n')
}

/** What stands between the two markers of the table, without the line breaks around it. Throws when they are missing. */
export function tableIn(page: string): string {
  const [start, end] = bounds(page)
  return page.slice(start, end).trim()
}

/** The page with its table made anew; everything else stays as it is. */
export function withTable(page: string, table: string): string {
  const [start, end] = bounds(page)
  return `${page.slice(0, start)}\n${table}\n${page.slice(end)}`
}

function bounds(page: string): [start: number, end: number] {
  const begin = page.indexOf(BEGIN)
  const end = page.indexOf(END)
  if (begin < 0 || end < begin) throw new Error(`the page has no ${BEGIN} … ${END}`)
  return [begin + BEGIN.length, end]
}

function row({ name, description, required, defaultValue }: OptionDescription): string {
  const byDefault = required ? '**required**' : defaultValue ? `\`${defaultValue}\`` : ''
  return `| \`${name}\` | ${byDefault} | ${description.replaceAll('|', '\\|')} |`
}
