import { readFileSync } from 'node:fs'
import { type JsonSchema, withOptions } from './chart-schema.ts'
import { type ChartValue, chartValues } from './chart-values.ts'

const BEGIN = '<!-- values:begin -->'
const END = '<!-- values:end -->'

export const chartDirectory = new URL('../../helm/logout-relay/', import.meta.url)

export function chartFile(name: string): string {
  return readFileSync(new URL(name, chartDirectory), 'utf8')
}

/** The files of the chart that are made from others, with the content that they should have. */
export function madeChartFiles(): Record<string, string> {
  const values = chartValues(chartFile('values.yaml'))
  const schema = withOptions(JSON.parse(chartFile('values.schema.json')) as JsonSchema, values)
  return {
    'values.schema.json': `${JSON.stringify(schema, null, 2)}\n`,
    'README.md': withValuesTable(chartFile('README.md'), values),
  }
}

function withValuesTable(readme: string, values: readonly ChartValue[]): string {
  const [start, end] = [readme.indexOf(BEGIN), readme.indexOf(END)]
  if (start < 0 || end < start) throw new Error(`the chart's README has no ${BEGIN} … ${END}`)
  const table = ['| value | default | meaning |', '|---|---|---|', ...values.map(row)].join('\n')
  return `${readme.slice(0, start + BEGIN.length)}\n${table}\n${readme.slice(end)}`
}

function row({ path, defaultValue, description }: ChartValue): string {
  const cells = [`\`${path.join('.')}\``, `\`${JSON.stringify(defaultValue)}\``, description]
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}
