import { existsSync, readdirSync, readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { createProgram } from '../../src/cli/program.ts'
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

/** The command lines of its code, in the text and in blocks, without comments. */
function commandLinesOf(text: string): string[] {
  const joined = text.replaceAll(/ \\\n\s*/g, ' ')
  const inText = [...joined.matchAll(/`(logout-relay [^`]+)`/g)].map(([, line = '']) =>
    line.replaceAll(/\s+/g, ' '),
  )
  const inBlocks = [...joined.matchAll(/^(?:\$ |npx )?(logout-relay [a-z]+(?: .*)?)$/gm)].map(
    ([, line = '']) => line,
  )
  const lines = [...inText, ...inBlocks.filter((line) => !line.startsWith('logout-relay reads'))]
  return [...new Set(lines.map((line) => line.replace(/\s+#.*/, '').trim()))]
}

/** As a shell would hand them on; `<name>` is what the reader fills in. */
function argumentsOf(line: string): string[] {
  const values: Record<string, string> = { time: '1h', uri: 'https://rp.example/logout' }
  const filled = line.replaceAll(/<([\w ]+)>/g, (_, name: string) => values[name] ?? 'x')
  return filled.split(/\s+/).slice(1)
}

describe('the README says what is true:', () => {
  test.each(commandLinesOf(readme))('`%s` is taken', async (line) => {
    const program = await createProgram()
    const silence = (command: Command): void => {
      command.exitOverride().configureOutput({ writeErr: () => undefined })
      if (command.commands.length === 0) command.action(() => undefined)
      command.commands.forEach(silence)
    }
    silence(program)
    await expect(program.parseAsync(argumentsOf(line), { from: 'user' })).resolves.toBeDefined()
  })

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
    const contributing = textOf('CONTRIBUTING.md')
    const section = contributing.slice(contributing.indexOf('## Dependencies'))
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
      keys.positions(),
      keys.rebuildLock(),
    ]
    // In a table a bar is escaped.
    const text = readme.replaceAll('\\|', '|')
    expect(layout.filter((key) => !text.includes(`\`${key}\``))).toEqual([])
  })

  test('it explains every reason for a failure', () => {
    expect(failureReasons.filter((reason) => !readme.includes(`| \`${reason}\` |`))).toEqual([])
  })

  test('behind every guarantee stands a test that is there, by its title', () => {
    const [, section = ''] = readme.split('\n## Guarantees\n')
    const guarantees = [...(section.split('\n## ', 1)[0] as string).matchAll(/^- \*\*(.+?)\*\*/gm)]
    const rows = [...textOf('docs/guarantees.md').matchAll(/^\| (?!guarantee|---)(.+?) \| (.+) \|$/gm)]
    expect(rows.map(([, guarantee]) => guarantee)).toEqual(
      guarantees.map(([, words = '']) => words.replace(/[.,:]$/, '')),
    )
    const missing = rows.flatMap(([, guarantee, tests = '']) => {
      const named = [...tests.matchAll(/`([\w/-]+)` "(.+?)"/g)]
      const sourceOf = (file = '') =>
        [`test/${file}.test.ts`, `test/${file}.ts`].find((path) => existsSync(new URL(path, root)))
      const isThere = ([, file, title = '']: RegExpExecArray) => {
        const source = sourceOf(file)
        return source !== undefined && textOf(source).includes(title)
      }
      return named.length === 0 ? [guarantee] : named.filter((it) => !isThere(it)).map(([text]) => text)
    })
    expect(missing).toEqual([])
  })

  test('every page that it and the pages below docs/ link to, and every file that those name, exists', () => {
    const pages = readdirSync(new URL('docs/', root), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.md'))
      .map((path) => `docs/${path}`)
    const broken = ['README.md', ...pages].flatMap((page) => {
      const text = textOf(page)
      const links = [...text.matchAll(/\]\((?!https?:|#)([^)]+)\)/g)].map(
        ([, to = '']) => new URL(to, new URL(page, root)),
      )
      const files = [...text.matchAll(/`((?:src|test)\/[\w./-]*)`/g)].map(
        ([, path = '']) => new URL(path, root),
      )
      return [...links, ...files]
        .filter((it) => !existsSync(it))
        .map(({ pathname }) => `${page}: ${pathname}`)
    })
    expect(broken).toEqual([])
  })
})
