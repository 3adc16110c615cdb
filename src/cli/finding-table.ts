import type { ExaminedFinding } from '../diagnosis/examination.ts'
import type { Severity } from '../diagnosis/finding.ts'
import type { Column, Style } from './table.ts'

type Line = ExaminedFinding & Record<string, unknown>

const STYLES: Readonly<Record<Severity, Style>> = {
  error: 'red',
  warning: 'yellow',
  hint: 'cyan',
  unknown: 'cyan',
  ok: 'green',
}

export const columns: readonly Column<Line>[] = [
  { title: 'SEVERITY', cell: ({ severity }) => severity, style: ({ severity }) => STYLES[severity] },
  { title: 'CHECK', cell: ({ check }) => check },
  { title: 'ABOUT', cell: ({ about }) => about },
  {
    title: 'FINDING AND REMEDY',
    cell: ({ text, remedy }) => (remedy === undefined ? text : [text, `→ ${remedy}`]),
    isProse: true,
  },
]

/** What must be remedied, the worst first; with `all` what is well behind it. */
export function shownFindings(findings: readonly ExaminedFinding[], all: boolean): Line[] {
  const of = (severity: Severity) => findings.filter((it) => it.severity === severity)
  const problems = [...of('error'), ...of('warning')]
  const rest = findings.filter(({ severity }) => severity !== 'error' && severity !== 'warning')
  return (all ? [...problems, ...rest] : problems).map((it) => ({ ...it }))
}
