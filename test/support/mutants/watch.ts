import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Stack } from '../../stack/stack.ts'
import { startSupervised } from '../../stack/supervised-process.ts'
import type { Mutant } from './mutants.ts'
import type { SourceTree } from './source-tree.ts'

export type Sight = { readonly kind: 'seen'; readonly by: string } | { readonly kind: 'unseen' }

/** As much of vitest's JSON report as is looked at. */
interface VitestReport {
  readonly success: boolean
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly message: string
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[]
  }[]
}

/** The cheap ones first: most slips are seen by a unit test. */
const KINDS = ['unit', 'contract', 'integration', 'e2e'] as const
const ALL_UNIT_TESTS = ['--project', 'unit'] as const
/** A test that hangs with a slip in it is a test that sees it; `npm test` would say so after its own time-out. */
const RUN_MS_MAX = 150_000
/** All at once, and without a slip. */
const SOUND_RUN_MS_MAX = 600_000

/** Runs tests against a tree. The servers are started once for all runs. */
export class Watch {
  readonly #servers: string[]

  constructor({ kafkaBrokers, redisUrl }: Stack) {
    this.#servers = [`KAFKA_BROKERS=${kafkaBrokers}`, `REDIS_URL=${redisUrl}`]
  }

  /** The tests that should see the mutant; then all unit tests, since `npm test` has them all. */
  async look({ tests }: Mutant, tree: SourceTree): Promise<Sight> {
    const sight = await this.#lookWith(tests, tree, RUN_MS_MAX)
    if (sight.kind === 'seen') return sight
    const others = await this.#run(ALL_UNIT_TESTS, tree, RUN_MS_MAX)
    if (others.kind === 'unseen') return others
    // Nobody expected these to see it; one that fails by chance sees nothing.
    const again = await this.#run(ALL_UNIT_TESTS, tree, RUN_MS_MAX)
    return again.kind === 'seen' && again.by === others.by ? again : { kind: 'unseen' }
  }

  /** What the tests say of sources without a slip. */
  lookAtSound(tests: readonly string[], tree: SourceTree): Promise<Sight> {
    return this.#lookWith(tests, tree, SOUND_RUN_MS_MAX)
  }

  async #lookWith(tests: readonly string[], tree: SourceTree, msMax: number): Promise<Sight> {
    for (const kind of KINDS) {
      const files = tests.filter((file) => file.startsWith(`test/${kind}/`))
      if (files.length === 0) continue
      const sight = await this.#run(['--project', kind, ...files], tree, msMax)
      if (sight.kind === 'seen') return sight
    }
    return { kind: 'unseen' }
  }

  async #run(selection: readonly string[], { path }: SourceTree, msMax: number): Promise<Sight> {
    const reportFile = join(path, 'vitest-report.json')
    await rm(reportFile, { force: true })
    const options = ['--bail=1', '--reporter=json', `--outputFile=${reportFile}`]
    const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/vitest.config.ts', ...options]
    const child = await startSupervised({
      name: 'vitest',
      command: 'env',
      args: [...this.#servers, process.execPath, ...vitest, ...selection],
      logFile: join(path, 'vitest.log'),
      cwd: path,
    })
    const over = new AbortController()
    const late = delay(msMax, 'late' as const, { signal: over.signal }).catch(() => 'late' as const)
    const status = await Promise.race([child.exitStatus(), late])
    over.abort()
    if (status === 'late') {
      await child.kill()
      return { kind: 'seen', by: `${selection.join(' ')} did not end` }
    }
    if (status === 0) return { kind: 'unseen' }
    const report = await readFile(reportFile, 'utf8').catch(() => undefined)
    if (report === undefined) throw child.fault(`ended with status ${status}`)
    return { kind: 'seen', by: firstFailure(JSON.parse(report) as VitestReport, path) }
  }
}

/** Throws when no test has failed but a file could not be read: that is a slip that no compiler would let pass. */
function firstFailure({ testResults }: VitestReport, root: string): string {
  for (const { name, status, message, assertionResults } of testResults) {
    const failed = assertionResults.find((it) => it.status === 'failed')
    const file = name.replace(`${root}/`, '')
    if (failed !== undefined) return `${file}: ${failed.fullName}`
    if (status === 'failed' && assertionResults.length === 0) throw new Error(`${file}: ${message}`)
  }
  return 'an error outside of all tests'
}
