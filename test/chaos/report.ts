import type { ScenarioResult } from './run-scenario.ts'

const HEAD = [
  'scenario',
  'deliveries',
  'missing',
  'twice / allowed',
  'outcome ids',
  'repeated',
  'backlog',
  'lag',
  'exits',
  's',
  'verdict',
]

/** The table of all scenarios, and below it what was violated with what the relays said. */
export function report(results: readonly ScenarioResult[]): string {
  const failed = results.filter(({ findings }) => findings.violations.length > 0)
  const details = failed.flatMap(({ scenario, findings, evidence }) => [
    '',
    `${scenario} FAILED`,
    ...findings.violations.map((violation) => `  - ${violation}`),
    ...evidence.map((line) => `    ${line}`),
  ])
  return [table([HEAD, ...results.map(row)]), ...details].join('\n')
}

function row({ scenario, seconds, findings }: ScenarioResult): string[] {
  const { outcomes, violations } = findings
  return [
    scenario,
    String(findings.deliveries),
    String(findings.missing),
    `${findings.duplicates} / ${findings.duplicatesMax}`,
    outcomes.missing + outcomes.ambiguous === 0
      ? '1 each'
      : `none for ${outcomes.missing}, several for ${outcomes.ambiguous}`,
    String(outcomes.repeated),
    String(findings.backlogKeys.length),
    String(findings.lag),
    String(findings.unexpectedExits.length),
    seconds.toFixed(0),
    violations.length === 0 ? 'ok' : 'FAILED',
  ]
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = HEAD.map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)))
  return rows
    .map((cells) =>
      cells
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
