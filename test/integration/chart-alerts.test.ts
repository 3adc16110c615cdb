import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, expect, type TestContext, test } from 'vitest'
import { stringify } from 'yaml'
import { ensureHelm } from '../stack/helm.ts'
import { prometheusBinaries } from '../stack/prometheus-binaries.ts'
import { createScratchDirectory } from '../stack/scratch-directory.ts'
import { anchorsOf } from '../support/pages.ts'
import { RenderedChart } from '../support/rendered-chart.ts'

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly annotations: Readonly<Record<string, string>>
}

let chart: RenderedChart | undefined
let promtool = ''
let missing = ''

beforeAll(async () => {
  const [helm, prometheus] = await Promise.all([ensureHelm(), prometheusBinaries()])
  if ('path' in helm) chart = new RenderedChart(helm.path)
  else missing = helm.missing
  if ('promtool' in prometheus) promtool = prometheus.promtool
  else missing = prometheus.missing
  if (missing !== '') process.stderr.write(`The alerts of the chart are not tested: ${missing}\n`)
}, 300_000)

/** The groups of the PrometheusRule of a release called `test`. */
async function groups({ skip }: TestContext, ...args: string[]): Promise<{ rules: Rule[] }[]> {
  if (chart === undefined || promtool === '') return skip(missing)
  const objects = await chart.render(...args, '--set', 'prometheusRule.enabled=true')
  return objects.find(({ kind }) => kind === 'PrometheusRule')?.spec.groups
}

const rulesOf = async (context: TestContext, ...args: string[]): Promise<Rule[]> =>
  (await groups(context, ...args)).flatMap(({ rules }) => rules)

/** What stands between the braces of each selector, by the name of its metric. */
function selectorsOf({ expr }: Rule): string[] {
  return [...expr.matchAll(/logout_relay_\w+(\{[^}]*\})?/g)].map(([, braces = '']) => braces.slice(1, -1))
}

const values = (name: string) => chart?.values(name) ?? []

test('every selector of every rule has the namespace and the job of the release, and what the values add', async (context) => {
  const release = await rulesOf(context, ...values('minimal'), '--namespace', 'prod')
  const full = await rulesOf(context, ...values('full'))
  const open = await rulesOf(
    context,
    ...values('minimal'),
    '--set',
    'prometheusRule.job=*,prometheusRule.namespace=*',
  )
  const heads: readonly [Rule[], string][] = [
    [release, 'namespace="prod",job="test-logout-relay"'],
    [full, 'namespace="identity",job="relay-eu",cluster="eu",env!~"test|dev$"'],
  ]
  for (const [rules, head] of heads) {
    expect(rules.length).toBeGreaterThan(10)
    for (const rule of rules) {
      const selectors = selectorsOf(rule)
      expect(selectors, rule.alert).not.toEqual([])
      expect(
        selectors.filter((it) => it !== head && !it.startsWith(`${head},`)),
        rule.alert,
      ).toEqual([])
    }
  }
  expect(open.flatMap(selectorsOf).filter((it) => /namespace=|job=/.test(it))).toEqual([])
})

test('each alert links to its section of the runbook, below the address that the values give', async (context) => {
  const base = 'https://git.example.com/identity/logout-relay/blob/main/docs/runbook.md'
  const links = (await rulesOf(context, ...values('full'))).map(({ annotations }) => annotations.runbook_url)
  const anchors = anchorsOf('docs/runbook.md')
  expect(links.length).toBeGreaterThan(10)
  expect(
    links.filter((it) => !it?.startsWith(`${base}#`) || !anchors.has(it.slice(base.length + 1))),
  ).toEqual([])
  // A link that nobody can open is worse than none.
  const without = await rulesOf(context, ...values('minimal'))
  expect(without.map(({ annotations }) => annotations.runbook_url).filter((it) => it !== undefined)).toEqual(
    [],
  )
})

test('a dead relay is told although those of other environments are ready, and says nothing of theirs', async (context) => {
  const args = ['--set', 'prometheusRule.matchers[0]=cluster="eu"', '--namespace', 'prod']
  const rules = await rulesOf(context, ...values('minimal'), ...args)
  const exprOf = (alert: string) => rules.find((it) => it.alert === alert)?.expr
  const job = 'job="test-logout-relay"'
  const series = {
    [`logout_relay_ready{cluster="eu",namespace="prod",${job}}`]: '0x60',
    [`logout_relay_ready{cluster="us",namespace="prod",${job}}`]: '1x60',
    [`logout_relay_ready{cluster="eu",namespace="staging",${job}}`]: '1x60',
    [`logout_relay_backlog_deadline_used_ratio{cluster="eu",namespace="prod",${job},issuer="i",client_id="shop"}`]:
      '0.7x60',
    [`logout_relay_backlog_deadline_used_ratio{cluster="us",namespace="prod",${job},issuer="i",client_id="wiki"}`]:
      '0.9x60',
  }
  const expected = [
    ['LogoutRelayNoReplica', `{namespace="prod",${job}}`, 1],
    ['LogoutRelayDeliveryLate', `{namespace="prod",${job},issuer="i",client_id="shop"}`, 0.7],
  ] as const
  await using scratch = createScratchDirectory('chart-alerts')
  const file = join(scratch.path, 'test.yaml')
  const tests = [
    {
      interval: '1m',
      input_series: Object.entries(series).map(([name, samples]) => ({ series: name, values: samples })),
      promql_expr_test: expected.map(([alert, labels, value]) => ({
        expr: exprOf(alert),
        eval_time: '30m',
        exp_samples: [{ labels, value }],
      })),
    },
  ]
  await writeFile(file, stringify({ rule_files: [], tests }))
  const { status, stdout, stderr } = spawnSync(promtool, ['test', 'rules', file], { encoding: 'utf8' })
  expect(status, stdout + stderr).toBe(0)
})

test('promtool takes the rules as they are rendered', async (context) => {
  await using scratch = createScratchDirectory('chart-alerts')
  const file = join(scratch.path, 'rules.yaml')
  await writeFile(file, stringify({ groups: await groups(context, ...values('full')) }))
  const { status, stdout, stderr } = spawnSync(promtool, ['check', 'rules', '--lint-fatal', file], {
    encoding: 'utf8',
  })
  expect(status, stdout + stderr).toBe(0)
})
