import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { exportOwed, type OwedState } from '../../src/telemetry/owed-metrics.ts'
import { type ExportedState, exportState } from '../../src/telemetry/state-metrics.ts'
import { dashboardExpressions } from '../support/dashboard.ts'
import { textOf } from '../support/pages.ts'

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly labels: { readonly severity: string }
  readonly annotations: Readonly<Record<string, string>>
}

interface RuleTest {
  readonly alert_rule_test: readonly { readonly alertname: string; readonly exp_alerts: readonly object[] }[]
}

const [group] = (parse(textOf('helm/logout-relay/rules/alerts.yaml')) as { groups: { rules: Rule[] }[] })
  .groups
const rules = group?.rules ?? []
const { tests } = parse(textOf('helm/logout-relay/rules/alerts.test.yaml')) as { tests: RuleTest[] }
const runbook = textOf('docs/runbook.md')

/** Names as they are queried: of a histogram that of its buckets. */
function exportedNames(): Set<string> {
  const metrics = new Metrics()
  // Only the names are asked for, so none of this is ever read.
  exportState(metrics, {} as ExportedState)
  exportOwed(metrics, {} as OwedState)
  const all = metrics.registry.getMetricsAsArray() as unknown as { name: string; type: string }[]
  return new Set(all.map(({ name, type }) => (type === 'histogram' ? `${name}_bucket` : name)))
}

function metricsIn(expression: string): string[] {
  const withoutLabels = expression.replaceAll(/\{[^}]*\}/g, '')
  return withoutLabels.match(/\b(?:logout_relay|process|nodejs)_\w+/g) ?? []
}

describe('alerts', () => {
  test('each has a section in the runbook, which it names, and no section is without its alert', () => {
    const sections = [...runbook.matchAll(/^## (LogoutRelay\w+)$/gm)].map(([, name]) => name)
    expect(sections.sort()).toEqual(rules.map(({ alert }) => alert).sort())
    for (const { alert, annotations } of rules) {
      expect(annotations.runbook).toBe(`docs/runbook.md#${alert.toLowerCase()}`)
    }
  })

  test('each says how bad it is, what is the matter, and with which figures', () => {
    for (const { alert, labels, annotations } of rules) {
      expect(labels.severity, alert).toMatch(/^(warning|critical)$/)
      expect(annotations.summary, alert).toMatch(/^[A-Z].{10,80}$/)
      expect(annotations.description, alert).toMatch(/\{\{|three minutes/)
    }
  })

  test.each(rules.map(({ alert }) => alert))(
    '%s is fired by a test of its own, and is silent in another',
    (alert) => {
      const checks = tests.flatMap((it) => it.alert_rule_test).filter(({ alertname }) => alertname === alert)
      expect(checks.some(({ exp_alerts }) => exp_alerts.length > 0)).toBe(true)
      expect(checks.some(({ exp_alerts }) => exp_alerts.length === 0)).toBe(true)
    },
  )

  test('rules, dashboard and runbook use metrics that exist', () => {
    const expressions = [
      ...rules.map(({ expr }) => expr),
      ...dashboardExpressions().map((it) => it.expression),
    ]
    const used = [...expressions, ...(runbook.match(/`[^`\n]+`/g) ?? [])].flatMap(metricsIn)
    expect(used.length).toBeGreaterThan(50)
    const exported = exportedNames()
    expect(used.filter((name) => !exported.has(name))).toEqual([])
  })

  test('the dashboard shows every metric of the relay', () => {
    const shown = new Set(dashboardExpressions().flatMap(({ expression }) => metricsIn(expression)))
    const own = [...exportedNames()].filter((name) => name.startsWith('logout_relay_'))
    const missing = own.filter((name) => !shown.has(name))
    expect(missing).toEqual([])
  })
})
