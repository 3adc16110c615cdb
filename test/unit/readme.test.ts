import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { createProgram } from '../../src/cli/program.ts'
import { Decoders } from '../../src/events/decoding/decode-record.ts'
import { failureReasons } from '../../src/events/outcome.ts'
import { RedisKeys } from '../../src/redis/redis-keys.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { exportOwed, type OwedState } from '../../src/telemetry/owed-metrics.ts'
import { type ExportedState, exportState } from '../../src/telemetry/state-metrics.ts'
import { optionsTable, tableIn } from '../support/options-table.ts'
import { anchorsOf, pages, sectionOf, textOf } from '../support/pages.ts'

const root = new URL('../../', import.meta.url)
const allPages = pages.map(textOf).join('\n')
const manifest = JSON.parse(textOf('package.json')) as {
  scripts: Record<string, string>
  dependencies: Record<string, string>
  devDependencies: Record<string, string>
}

/** What the first group of the pattern finds, each once, sorted. */
function namedInPages(pattern: RegExp): string[] {
  const found = [...allPages.matchAll(pattern)].map(([, name]) => name as string)
  return [...new Set(found)].sort()
}

/** The command lines of its code, in the text and in blocks, without comments. */
function commandLinesOf(text: string): string[] {
  const joined = text.replaceAll(/ \\\n\s*/g, ' ')
  const inText = [...joined.matchAll(/`(logout-relay [^`]+)`/g)].map(([, line = '']) =>
    line.replaceAll(/\s+/g, ' '),
  )
  const blocks = [...joined.matchAll(/^```\w*\n(.*?)^```$/gms)].map(([, block]) => block).join('\n')
  const inBlocks = [...blocks.matchAll(/^(?:\$ |npx )?(logout-relay [a-z]+(?: .*)?)$/gm)]
  const lines = [...inText, ...inBlocks.map(([, line = '']) => line)]
  return [...new Set(lines.map((line) => line.replace(/\s+#.*/, '').trim()))]
}

/** As a shell would hand them on; `<name>` is what the reader fills in. */
function argumentsOf(line: string): string[] {
  const values: Record<string, string> = {
    path: '/dev/null',
    time: '1h',
    uri: 'https://rp.example/logout',
  }
  const filled = line.replaceAll(/<([\w ]+)>/g, (_, name: string) => values[name] ?? 'x')
  return filled.split(/\s+/).slice(1)
}

describe('the README and the pages say what is true:', () => {
  test.each(commandLinesOf(allPages))('`%s` is taken', async (line) => {
    const program = await createProgram()
    const silence = (command: Command): void => {
      command.exitOverride().configureOutput({ writeErr: () => undefined })
      if (command.commands.length === 0) command.action(() => undefined)
      command.commands.forEach(silence)
    }
    silence(program)
    await expect(program.parseAsync(argumentsOf(line), { from: 'user' })).resolves.toBeDefined()
  })

  test('the configuration table is that of the options; `npm run docs` makes it', () => {
    expect(tableIn(textOf('docs/configure.md'))).toBe(optionsTable())
  })

  test('the three records that the README shows are read as it says', () => {
    const shown = [...textOf('README.md').matchAll(/^```json\n(.+?)\n```/gms)]
    const inLog = { topic: 'session-events', partition: 0, timestampMs: Date.now(), key: null, headers: {} }
    const decoders = new Decoders((name = 'https://login.example.com') => name)
    const decode = (value: string, offset: number) =>
      [decoders.decode({ ...inLog, offset, value: Buffer.from(value) }, Date.now())].flat()
    const kinds = shown.map(([, value = ''], offset) => decode(value, offset).map(({ kind }) => kind))
    expect(kinds).toEqual([['registration'], ['trigger'], ['trigger']])
  })

  test('every npm script that they name exists', () => {
    const named = namedInPages(/npm run ([\w:-]+)/g)
    expect(named).not.toEqual([])
    expect(named.filter((name) => manifest.scripts[name] === undefined)).toEqual([])
  })

  test('they list the dependencies, all of them and no other', () => {
    const { dependencies, devDependencies } = manifest
    const installed = [...Object.keys(dependencies), ...Object.keys(devDependencies)].sort()
    const section = sectionOf('CONTRIBUTING.md', 'Dependencies')
    const rows = [...section.matchAll(/^\| (`.+?`) \|/gm)].map(([, cell]) => cell as string)
    expect(rows.flatMap((cell) => cell.replaceAll('`', '').split(', ')).sort()).toEqual(installed)
  })

  test('they list the metrics of the relay, all of them and no other', () => {
    const metrics = new Metrics()
    // Only the names are asked for, so none of this is ever read.
    exportState(metrics, {} as ExportedState)
    exportOwed(metrics, {} as OwedState)
    const names = metrics.registry.getMetricsAsArray().map(({ name }) => name)
    const own = names.filter((name) => name.startsWith('logout_relay_')).sort()
    expect(namedInPages(/`(logout_relay_\w+)/g)).toEqual(own)
  })

  test('they name every key of the Redis layout', () => {
    const [keys, shadow] = [new RedisKeys('lr'), new RedisKeys('lr', 'shadow')]
    const layout = [
      keys.session('<issuer>', '<sessionId>'),
      keys.ended('<issuer>', '<sessionId>'),
      keys.user('<issuer>', '<userId>'),
      keys.signedOut('<issuer>', '<userId>'),
      keys.client('<issuer>', '<clientId>'),
      keys.backlog('<issuer>|<clientId>'),
      keys.backlogState('<issuer>|<clientId>'),
      keys.backlogs(),
      shadow.backlog('<issuer>|<clientId>'),
      shadow.backlogState('<issuer>|<clientId>'),
      shadow.backlogs(),
      keys.epoch(),
      keys.group(),
      keys.positions(),
      keys.rebuildLock(),
    ]
    // In a table a bar is escaped.
    const text = allPages.replaceAll('\\|', '|')
    expect(layout.filter((key) => !text.includes(`\`${key}\``))).toEqual([])
  })

  test('they explain every reason for a failure', () => {
    expect(failureReasons.filter((reason) => !allPages.includes(`| \`${reason}\` |`))).toEqual([])
  })

  test('behind every guarantee stands a test that is there, by its title', () => {
    const section = sectionOf('docs/guarantees.md', 'What the relay guarantees')
    const guarantees = [...section.matchAll(/^- \*\*(.+?)\*\*/gm)]
    expect(guarantees).not.toEqual([])
    const table = sectionOf('docs/guarantees.md', 'Which tests hold them')
    const rows = [...table.matchAll(/^\| (?!guarantee|---)(.+?) \| (.+) \|$/gm)]
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

  test('every page, heading and file that they link to or name exists', () => {
    const others = ['SECURITY.md', 'CHANGELOG.md', 'helm/logout-relay/README.md']
    const broken = [...pages, ...others].flatMap((page) => {
      const text = textOf(page)
      const links = [...text.matchAll(/\]\((?!https?:)([^)]*)\)/g)].map(([, to = '']) => to)
      const named = text.matchAll(/`((?:src|test|docs|helm)\/[\w./-]*|\w[\w.-]*\.(?:json|md|ts|mjs))`/g)
      const files = [...named].map(([, path = '']) => `/${path}`)
      return [...links, ...files].filter((to) => !isThere(page, to)).map((to) => `${page}: ${to}`)
    })
    expect(broken).toEqual([])
  })

  test('every page below docs/ is reached from the README', () => {
    const reached = new Set(['README.md'])
    // A set hands out what is added while it is walked.
    for (const page of reached) {
      for (const [, to = ''] of textOf(page).matchAll(/\]\((?!https?:)([^)#]+\.md)/g))
        reached.add(new URL(to, `file:///${page}`).pathname.slice(1))
    }
    expect(pages.filter((page) => !reached.has(page))).toEqual([])
  })

  test('the README has no more than 200 lines', () => {
    expect(textOf('README.md').split('\n').length).toBeLessThanOrEqual(200)
  })

  test('the first paragraph of every page in docs/ says for whom it is', () => {
    const others = pages.filter(
      (page) => /^docs\/[^/]+\.md$/.test(page) && !/^# .+\n\nFor /.test(textOf(page)),
    )
    expect(others).toEqual([])
  })
})

/** `to` as it stands in a link of the page: a path from the page or, behind a `/`, from the root, and a heading. */
function isThere(page: string, to: string): boolean {
  const { pathname, hash } = new URL(to, `file:///${page}`)
  const path = pathname.slice(1)
  return existsSync(new URL(path, root)) && (hash === '' || anchorsOf(path).has(hash.slice(1)))
}
