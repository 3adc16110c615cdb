import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { WebhookIntake } from '../../../src/app/webhook-intake.ts'
import { type FaultCode, RelayFault } from '../../../src/lib/errors.ts'
import { Metrics } from '../../../src/telemetry/metrics.ts'
import { manualClock } from '../manual-clock.ts'

const SECRET = 'a secret that both know'

/** Two sources, and a Kafka that refuses topics with these codes. */
async function opened() {
  const folder = mkdtempSync(join(tmpdir(), 'webhook-intake-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'intake.yaml')
  const lines = ['a', 'b'].map(
    (it) => `  - { name: ${it}, topic: ${it}, platform: ory, secretFile: secret }\n`,
  )
  writeFileSync(file, `sources:\n${lines.join('')}`)
  writeFileSync(join(folder, 'secret'), SECRET)
  const clock = manualClock()
  const failing = new Map<string, FaultCode>()
  let port = 0
  const logger = pino({ level: 'silent' })
  logger.info = ((fields: { port?: number }) => {
    port = fields.port ?? port
  }) as typeof logger.info
  const intake = new WebhookIntake({
    clock,
    config: {
      http: { port: 0, bindAddress: '127.0.0.1' },
      kafka: { topics: { names: ['a', 'b'], patterns: [], excluded: [] } },
      intake: { port: 0, file },
    } as unknown as ConstructorParameters<typeof WebhookIntake>[0]['config'],
    events: { fault: () => undefined },
    hurry: () => undefined,
    log: {
      append: async ([record]) => {
        const code = failing.get(record?.topic ?? '')
        if (code !== undefined) throw new RelayFault(code, 'no')
      },
    },
    logger,
    metrics: new Metrics(),
  })
  await intake.start(60_000)
  onTestFinished(() => intake.drain(0))
  const send = async (source: string) => {
    const headers = { authorization: SECRET }
    return (await fetch(`http://127.0.0.1:${port}/intake/${source}`, { method: 'POST', body: '{}', headers }))
      .status
  }
  /** For longer than a passing failure. */
  const keepSending = async (...sources: readonly string[]) => {
    for (let i = 0; i < 3; i++) {
      for (const it of sources) await send(it)
      clock.nowMs += 2_000
    }
  }
  return { clock, failing, intake, keepSending, send }
}

test.each<FaultCode>(['LR_TOPIC_MISSING', 'LR_REFUSED'])(
  'what is wrong with one topic (%s) leaves the replica in its Service: the other sources are answered there',
  async (code) => {
    const { failing, intake, keepSending, send } = await opened()
    failing.set('a', code)
    await keepSending('a')
    expect([await send('a'), await send('b')]).toEqual([503, 204])
    expect(intake.notReady()).toEqual({})
    expect(intake.failures).toMatchObject([{ topic: 'a', isOfTopic: true }])
    failing.clear()
    expect(await send('a')).toBe(204)
    expect(intake.failures).toEqual([])
  },
)

test('a replica that reaches Kafka for no webhook leaves them to others, and one that does for some does not', async () => {
  const { clock, failing, intake, keepSending, send } = await opened()
  failing.set('a', 'LR_UNAVAILABLE')
  await keepSending('a', 'b')
  expect(intake.notReady()).toEqual({})
  failing.set('b', 'LR_UNAVAILABLE')
  await keepSending('b')
  expect(intake.notReady()).toHaveProperty('webhooks')
  // Nobody sends any more, so nobody would notice that Kafka is back.
  clock.nowMs += 120_000
  expect(intake.notReady()).toEqual({})
  await keepSending('a', 'b')
  expect(intake.notReady()).toHaveProperty('webhooks')
  failing.delete('b')
  await send('b')
  expect(intake.notReady()).toEqual({})
})
