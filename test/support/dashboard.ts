import { readFileSync } from 'node:fs'

export interface DashboardExpression {
  readonly panel: string
  readonly expression: string
}

interface Panel {
  readonly title: string
  readonly targets?: readonly { readonly expr: string }[]
}

const file = new URL('../../helm/logout-relay/dashboards/logout-relay.json', import.meta.url)

/** What the dashboard asks Prometheus, as Grafana writes it. */
export function dashboardExpressions(): DashboardExpression[] {
  const { panels } = JSON.parse(readFileSync(file, 'utf8')) as { panels: readonly Panel[] }
  return panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({ panel: title, expression: expr })),
  )
}

/** The expression as Grafana would send it, with every job chosen. */
export function withVariables(expression: string): string {
  return expression.replaceAll('$__rate_interval', '1m').replaceAll('$job', '.+')
}
