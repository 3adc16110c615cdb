import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { failureReasons } from '../../src/events/outcome.ts'
import { RedisKeys } from '../../src/redis/redis-keys.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { exportOwed, type OwedState } from '../../src/telemetry/owed-metrics.ts'
import { type ExportedState, exportState } from '../../src/telemetry/state-metrics.ts'
import { optionsTable, tableIn } from '../support/readme-table.ts'

const root = new URL('../../', import.meta.url)
const textOf = (path: string) => readFileSync(new URL(path, root), 'utf8')
const readme = textOf('README.md')
const manifest = JSON.parse(textOf('package.json')) as {
  scripts: Record<string, string>
  dependencies: Record<string, string>
  devDependencies: Record<string, string>
}

/** What the first group of the pattern finds, each once, sorted. */
function namedInReadme(pattern: RegExp): string[] {
  const found = [...readme.matchAll(pattern)].map(([, name]) => name as string)
  return [...new Set(found)].sort()
}

describe('the README says what is true:', () => {
  test('its configuration table is that of the options; `node test/support/write-readme-table.ts` makes it', () => {
    expect(tableIn(readme)).toBe(optionsTable())
  })

  test('every npm script that it names exists', () => {
    const named = namedInReadme(/npm run ([\w:-]+)/g)
    expect(named).not.toEqual([])
    expect(named.filter((name) => manifest.scripts[name] === undefined)).toEqual([])
  })

  test('every file and folder of the repository that it names exists', () => {
    const named = namedInReadme(/`((?:src|test)\/[\w./-]*|[\w.-]+\.(?:json|md|ts|mjs|yaml))`/g)
    expect(named).not.toEqual([])
    expect(named.filter((path) => !existsSync(new URL(path, root)))).toEqual([])
  })

  test('it lists the dependencies, all of them and no other', () => {
    const { dependencies, devDependencies } = manifest
    const installed = [...Object.keys(dependencies), ...Object.keys(devDependencies)].sort()
    const section = readme.slice(readme.indexOf('### Dependencies'))
    const rows = [...section.matchAll(/^\| (`.+?`) \|/gm)].map(([, cell]) => cell as string)
    expect(rows.flatMap((cell) => cell.replaceAll('`', '').split(', ')).sort()).toEqual(installed)
  })

  test('it lists the metrics of the relay, all of them and no other', () => {
    const metrics = new Metrics()
    // Only the names are asked for, so none of this is ever read.
    exportState(metrics, {} as ExportedState)
    exportOwed(metrics, {} as OwedState)
    const names = metrics.registry.getMetricsAsArray().map(({ name }) => name)
    const own = names.filter((name) => name.startsWith('logout_relay_')).sort()
    expect(namedInReadme(/`(logout_relay_\w+)/g)).toEqual(own)
  })

  test('it names every key of the Redis layout', () => {
    const keys = new RedisKeys('lr')
    const layout = [
      keys.session('<issuer>', '<sessionId>'),
      keys.ended('<issuer>', '<sessionId>'),
      keys.user('<issuer>', '<userId>'),
      keys.signedOut('<issuer>', '<userId>'),
      keys.client('<issuer>', '<clientId>'),
      keys.backlog('<issuer>|<clientId>'),
      keys.backlogState('<issuer>|<clientId>'),
      keys.backlogs(),
      keys.epoch(),
      keys.group(),
      keys.rebuildLock(),
    ]
    // In a table a bar is escaped.
    const text = readme.replaceAll('\\|', '|')
    expect(layout.filter((key) => !text.includes(`\`${key}\``))).toEqual([])
  })

  test('it explains every reason for a failure', () => {
    expect(failureReasons.filter((reason) => !readme.includes(`| \`${reason}\` |`))).toEqual([])
  })
})
