import { collectDefaultMetrics, type Registry } from 'prom-client'

/** Gauges that end like counters, against Prometheus' rules; the same by type stands beside each of them. */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
]

/** What the library tells of the process and of Node.js. */
export function exportProcess(registry: Registry): void {
  collectDefaultMetrics({ register: registry })
  for (const name of MISNAMED) registry.removeSingleMetric(name)
}
