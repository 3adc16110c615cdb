import { expect, test } from 'vitest'
import { columns, shownFindings } from '../../../src/cli/finding-table.ts'
import { tableLines } from '../../../src/cli/table.ts'
import type { ExaminedFinding } from '../../../src/diagnosis/examination.ts'
import type { Severity } from '../../../src/diagnosis/finding.ts'

const found = (severity: Severity, more: Partial<ExaminedFinding> = {}): ExaminedFinding => ({
  area: 'redis',
  check: 'redis-eviction',
  severity,
  text: 'what was found',
  ...more,
})
const findings = (['ok', 'warning', 'hint', 'error', 'unknown'] as const).map((it) => found(it))

test('what must be remedied comes first and alone, the worst first; with --all the rest behind it', () => {
  const severitiesOf = (all: boolean) => shownFindings(findings, all).map(({ severity }) => severity)
  expect(severitiesOf(false)).toEqual(['error', 'warning'])
  expect(severitiesOf(true)).toEqual(['error', 'warning', 'ok', 'hint', 'unknown'])
})

test('at 80 columns a finding has its heading, what was found, and what to do', () => {
  const long = found('error', {
    check: 'key-published',
    about: 'provider-key-1',
    text: 'kid provider-key-1 is not in the JWK set of the issuer: RPs refuse every token of this key',
    remedy: 'publish it: copy the key from /jwks.json of the relay to the JWK set of the issuer, and wait',
  })
  const lines = tableLines(columns, shownFindings([long], false), 80, (_, text) => text)
  expect(lines.slice(2).map((line) => /^( {0,4})(→ )?/.exec(line)?.[0])).toEqual([
    '',
    '  ',
    '  ',
    '  → ',
    '    ',
  ])
  for (const word of `${long.text} ${long.remedy}`.split(' ')) expect(lines.join(' ')).toContain(word)
})
