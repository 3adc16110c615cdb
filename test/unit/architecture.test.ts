import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { expect, test } from 'vitest'
import { optionsSchema } from '../../src/config/options.ts'

/**
 * The folders of `src/`, the lowest first: what each may import, and the packages that it alone talks to. A folder imports
 * what stands above it in this list and is named here, nothing else; so there are no cycles of folders.
 */
const folders: Record<string, { readonly imports: string; readonly packages?: string }> = {
  lib: { imports: '' },
  events: { imports: '', packages: 'zod' },
  'events/decoding/avro': { imports: '' },
  'events/decoding': { imports: 'lib events events/decoding/avro' },
  'events/decoding/mapping': {
    imports: 'lib events events/decoding',
    packages: '@marcbachmann/cel-js re2js',
  },
  registry: { imports: 'lib events' },
  egress: { imports: 'lib events', packages: 'undici ipaddr.js' },
  schemas: { imports: 'lib events/decoding events/decoding/avro egress' },
  'issuers/signing': { imports: 'lib events', packages: 'jose' },
  issuers: { imports: 'lib events egress issuers/signing' },
  config: {
    imports: 'lib events events/decoding events/decoding/mapping egress issuers',
    packages: 'zod yaml',
  },
  transports: { imports: 'events registry egress' },
  'transports/backchannel-logout': { imports: 'lib events egress issuers/signing transports' },
  delivery: { imports: 'lib events registry egress transports' },
  intake: { imports: 'lib events events/decoding registry delivery' },
  recovery: { imports: 'lib events events/decoding registry delivery intake' },
  diagnosis: {
    imports:
      'lib events events/decoding registry egress schemas issuers issuers/signing config delivery intake',
  },
  'kafka/kafkajs': { imports: 'lib events', packages: 'kafkajs' },
  kafka: { imports: 'lib events registry delivery intake diagnosis kafka/kafkajs', packages: 'kafkajs' },
  redis: { imports: 'lib events registry delivery intake recovery diagnosis', packages: 'ioredis zod' },
  status: { imports: 'lib events registry delivery intake recovery diagnosis' },
  telemetry: {
    imports:
      'lib events events/decoding registry issuers transports delivery intake recovery diagnosis status',
    packages: 'pino prom-client @opentelemetry/api',
  },
  http: { imports: 'lib status telemetry' },
  webhooks: { imports: 'lib events/decoding config delivery http', packages: 'jose' },
  runtime: { imports: '' },
  // Loaded into the process of a provider, so it takes little along.
  'node-oidc-provider': { imports: 'lib', packages: 'kafkajs' },
  app: {
    imports:
      'lib events events/decoding events/decoding/mapping registry egress schemas issuers config transports/backchannel-logout delivery intake recovery diagnosis kafka redis status telemetry http webhooks',
  },
  'cli/completion': { imports: '', packages: 'commander' },
  'cli/trace': { imports: 'lib events events/decoding intake recovery kafka redis cli/sessions' },
  'cli/sessions': { imports: 'lib events events/decoding registry config redis cli', packages: 'commander' },
  'cli/clients': {
    imports:
      'lib events events/decoding registry egress config delivery issuers kafka redis app cli cli/send cli/sessions',
    packages: 'commander',
  },
  'cli/backlog': {
    imports: 'lib events registry config delivery kafka redis cli cli/clients cli/sessions',
    packages: 'commander',
  },
  'cli/send': { imports: 'lib events events/decoding config delivery intake kafka recovery redis app cli' },
  'cli/shadow': { imports: 'lib events events/decoding config intake kafka app cli', packages: 'commander' },
  'cli/keys': {
    imports: 'lib events egress issuers/signing config diagnosis app cli',
    packages: 'commander',
  },
  'cli/replay': {
    imports: 'lib config delivery kafka recovery app cli',
  },
  cli: {
    imports:
      'lib events events/decoding config diagnosis intake recovery kafka redis telemetry app runtime cli/completion cli/clients cli/trace cli/sessions cli/backlog cli/send cli/keys cli/shadow cli/replay',
    packages: 'commander',
  },
  '.': { imports: 'cli runtime' },
}

/** A command's own folder and the helpers of all commands know each other. */
const isWithinCli = (from: string, to: string) =>
  from.startsWith('cli/') && (to === 'cli' || to.startsWith('cli/'))

const root = join(import.meta.dirname, '../../src')
const names = Object.keys(folders)
const files = globSync('**/*.{ts,mjs}', { cwd: root, exclude: ['**/*.d.ts'] })
const folderOf = (file: string) => dirname(file)
const words = (text = '') => text.split(' ').filter((word) => word !== '')

/** Static, dynamic, of types alone, and by `require`. */
const IMPORT = /\b(?:from|import|import\(|require\(|require\.resolve\()\s*['"]([^'"\s]+)['"]/g

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8')
  return Array.from(text.matchAll(IMPORT), ([, name]) => name as string)
}

test('a folder imports only folders that stand below it, and that it may', () => {
  for (const [name, { imports }] of Object.entries(folders))
    for (const other of words(imports)) {
      if (isWithinCli(name, other)) continue
      expect(names.indexOf(other), `${name} imports ${other}, which stands above it`).toBeLessThan(
        names.indexOf(name),
      )
    }
  const wrong = files.flatMap((file) => {
    const own = folderOf(file)
    return importsOf(file)
      .filter((it) => it.startsWith('.'))
      .map((it) => normalize(join(dirname(file), it)))
      .filter((to) => folderOf(to) !== own && !words(folders[own]?.imports).includes(folderOf(to)))
      .map((to) => `${file} imports ${to}`)
  })
  expect(wrong).toEqual([])
})

test('a package is talked to by its folders alone', () => {
  const wrong = files.flatMap((file) =>
    importsOf(file)
      .filter((it) => !it.startsWith('.') && !it.startsWith('node:'))
      .filter(
        (it) =>
          !words(folders[folderOf(file)]?.packages).some((name) => it === name || it.startsWith(`${name}/`)),
      )
      .map((it) => `${file} imports ${it}`),
  )
  expect(wrong).toEqual([])
})

/** Their remedies are tables by option, and `cli/` has columns with such titles. */
const namesOptions = (folder: string) => /^(config|diagnosis|kafka|redis|cli)\b/.test(folder)

test('what is configured has the names of the environment in config alone; sentences for people may name them', () => {
  const option = `(?:${Object.keys(optionsSchema.shape).join('|')})\\b`
  // Read, declared, destructured or given; or named for a reader of options.
  const use = new RegExp(`(?:\\.|\\[|readonly |\\{ |^ +)(${option})|'(${option})'`, 'gm')
  const wrong = files
    .filter((file) => !namesOptions(folderOf(file)))
    .flatMap((file) =>
      Array.from(
        readFileSync(join(root, file), 'utf8').matchAll(use),
        ([, used, named]) => `${file} uses ${used ?? named}`,
      ),
    )
  expect(wrong).toEqual([])
})

test('every folder is in the list, and everything that may be imported is', () => {
  const used = new Map<string, Set<string>>()
  for (const file of files) {
    const own = folderOf(file)
    const of = used.get(own) ?? new Set()
    used.set(own, of)
    for (const it of importsOf(file)) {
      if (!it.startsWith('.')) continue
      const to = relative(root, join(root, dirname(file), it))
      if (folderOf(to) !== own) of.add(folderOf(to))
    }
  }
  const allowed = Object.fromEntries(names.map((name) => [name, words(folders[name]?.imports).sort()]))
  expect(Object.fromEntries([...used].map(([name, of]) => [name, [...of].sort()]))).toEqual(allowed)
})
