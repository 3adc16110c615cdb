import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, type TestContext, test } from 'vitest'
import { type PrometheusBinaries, prometheusBinaries } from '../stack/prometheus-binaries.ts'
import { dashboardExpressions, withVariables } from '../support/dashboard.ts'
import { eventually } from '../support/eventually.ts'
import { inputRecord } from '../support/input-record.ts'
import { IssuerServer } from '../support/issuer-server.ts'
import { PrometheusServer } from '../support/prometheus-server.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import type { RelaySite } from '../support/relay-site.ts'
import { openSite } from './open-site.ts'

const RULES = fileURLToPath(new URL('../../helm/logout-relay/rules/', import.meta.url))

/** Nothing is being built from the log while these tests look, no rule is configured and no webhook is sent. */
const EMPTY_HERE = /rebuild_records_expected|intake_requests|mapped_records/

let site: RelaySite
let issuer: IssuerServer
let relay: RelayProcess
let binaries: PrometheusBinaries | undefined
let missing = ''

beforeAll(async () => {
  const found = await prometheusBinaries()
  if ('missing' in found) missing = found.missing
  else binaries = found
  ;[site, issuer] = await Promise.all([openSite(), IssuerServer.listen()])
  issuer.keys = site.publicJwks().keys.filter(({ kid }) => kid !== 'test-ec')
  const mappingFile = join(site.folder, 'mapping.yaml')
  await writeFile(mappingFile, 'mappings: [{ topics: ["other.*"], preset: ory }]')
  relay = await site.startRelay({
    ISSUER: issuer.url,
    MAPPING_FILE: mappingFile,
    CHECK_INTERVAL_MS: '200',
    SIGNING_KEYS_PUBLISHED_CHECK_MS: '200',
    BREAKER_FAILURES: '1',
    BREAKER_COOLDOWN_MS: '600000',
    BREAKER_MAX_COOLDOWN_MS: '600000',
  })
  site.rps.uri('/down', 503)
  site.rps.uri('/refuses', 410)
})
afterAll(async () => {
  await site.close()
  await issuer[Symbol.asyncDispose]()
})

function needPrometheus({ skip }: TestContext): PrometheusBinaries {
  if (binaries === undefined) {
    process.stderr.write(`skipped: ${missing}\n`)
    skip(missing)
  }
  return binaries as PrometheusBinaries
}

function promtool({ promtool: command }: PrometheusBinaries, args: readonly string[], input = '') {
  const { status, stdout, stderr } = spawnSync(command, args, { input, encoding: 'utf8' })
  return { status, output: stdout + stderr }
}

/** One logout that arrives, one that fails for good, one that waits behind a breaker, and a record that is none. */
async function logOut(): Promise<void> {
  const { topic } = site
  const failed = await readMetric(relay, 'deliveries_total', { outcome: 'failed' })
  const sent = await readMetric(relay, 'deliveries_total', { outcome: 'sent' })
  const parked = await readMetric(relay, 'parked_total')
  const attempts = await readMetric(relay, 'attempts_total', { verdict: 'retry' })
  for (const path of ['/well', '/refuses', '/down']) {
    const registration = site.registration(path, { issuer: issuer.url })
    const { sessionId } = registration
    await topic.publish(
      inputRecord('backchannel-logout-registered', registration),
      inputRecord('session-terminated', { issuer: issuer.url, sessionId }),
    )
  }
  await topic.publish(inputRecord('session-terminated', { issuer: issuer.url }))
  await eventually(async () => {
    expect(await readMetric(relay, 'deliveries_total', { outcome: 'failed' })).toBe(failed + 1)
    expect(await readMetric(relay, 'deliveries_total', { outcome: 'sent' })).toBe(sent + 1)
    const retried = await readMetric(relay, 'attempts_total', { verdict: 'retry' })
    expect((await readMetric(relay, 'parked_total')) + retried).toBe(parked + attempts + 1)
  })
}

test('the first line of the log names the version', () => {
  expect(relay.log[0]).toMatchObject({ msg: 'starting', version: expect.stringMatching(/^\d+\.\d+\.\d+/) })
})

test('a key that the issuer does not publish is told from those that it does', async () => {
  const published = (kid: string) => readMetric(relay, 'signing_key_published', { kid, signs: 'now' })
  await eventually(async () => expect(await published('test-rsa')).toBe(1))
  expect(await published('test-ec')).toBe(0)
  issuer.keys = site.publicJwks().keys
  await eventually(async () => expect(await published('test-ec')).toBe(1))
})

test('what waits behind a breaker is owed, and its age is told', async () => {
  await logOut()
  const labels = { client_id: 'client-down' }
  await eventually(async () => {
    expect(await readMetric(relay, 'backlog_deliveries', labels)).toBeGreaterThan(0)
    expect(await readMetric(relay, 'backlog_oldest_age_seconds', labels)).toBeGreaterThan(0)
    expect(await readMetric(relay, 'breaker_open_seconds', labels)).toBeGreaterThan(0)
  })
  const age = await readMetric(relay, 'oldest_delivery_age_seconds')
  expect(age).toBeGreaterThan(0)
  const used = await readMetric(relay, 'backlog_deadline_used_ratio', labels)
  expect(used).toBeGreaterThan(0)
  expect(used).toBeLessThan(0.1)
  expect(await readMetric(relay, 'delivery_failures_total', { client_id: 'client-refuses' })).toBe(1)
})

test('promtool finds nothing wrong with the metrics of a relay', async (context) => {
  const tools = needPrometheus(context)
  const text = await (await fetch(`${relay.url}/metrics`)).text()
  expect(text).toContain('process_cpu_seconds_total')
  expect(text).toMatch(/^logout_relay_build_info\{version="\d+\.\d+\.\d+.*",node="v\d+/m)
  expect(promtool(tools, ['check', 'metrics'], text)).toEqual({ status: 0, output: '' })
})

test('the alert rules are valid, and fire on what their tests say', async (context) => {
  const tools = needPrometheus(context)
  const check = promtool(tools, ['check', 'rules', '--lint-fatal', `${RULES}alerts.yaml`])
  expect(check.status, check.output).toBe(0)
  const run = promtool(tools, ['test', 'rules', `${RULES}alerts.test.yaml`])
  expect(run.status, run.output).toBe(0)
})

test('every expression of the dashboard has an answer from a relay at work', async (context) => {
  const { prometheus: binary } = needPrometheus(context)
  const prometheus = await PrometheusServer.start(binary, [new URL(relay.url).host])
  try {
    const scraped = async () => {
      const sent = await readMetric(relay, 'deliveries_total', { outcome: 'sent' })
      const expression = 'sum(logout_relay_deliveries_total{outcome="sent"})'
      await eventually(async () =>
        expect((await prometheus.query(expression))[0]?.value[1]).toBe(String(sent)),
      )
    }
    await scraped()
    await logOut()
    await scraped()
    const expressions = dashboardExpressions()
    expect(expressions.length).toBeGreaterThan(30)
    const empty: string[] = []
    for (const { panel, expression } of expressions) {
      const samples = await prometheus.query(withVariables(expression))
      const hasData = samples.some(({ value }) => value[1] !== 'NaN')
      if (!hasData && !EMPTY_HERE.test(expression)) empty.push(`${panel}: ${expression}`)
    }
    expect(empty).toEqual([])
  } finally {
    await prometheus.stop()
  }
})
