import { parseArgs } from 'node:util'
import type { RelayProcess } from '../support/relay-process.ts'
import { Narrator } from './narrator.ts'
import { openPlayground } from './playground.ts'
import { type Stage, startActors, startBackends } from './stage.ts'
import { Story } from './story.ts'

const narrator = new Narrator()

async function play(stack: AsyncDisposableStack): Promise<Stage> {
  narrator.say(
    'logout-relay: when a session ends at the provider, every application is told, even a dead one.',
  )

  narrator.step('Starting Kafka and Redis (the first run downloads them)')
  const backends = await startBackends(stack)
  narrator.detail(`Kafka ${backends.kafkaBrokers}`, `Redis ${backends.redisUrl}`)

  narrator.step('Starting an OpenID provider, two applications, and the relay')
  const stage = await startActors(backends, stack)
  const { provider, shop, wiki } = stage.platform
  narrator.detail(
    `provider ${provider.issuer}`,
    `Shop ${shop.url}`,
    `Wiki ${wiki.url}`,
    `relay ${stage.relay.url}`,
  )

  const story = new Story(stage, narrator)
  await Promise.race([tell(story), deathOf(stage.relay)])
  narrator.say(`\nDone in ${(performance.now() / 1_000).toFixed(1)} s.`)
  return stage
}

async function tell(story: Story): Promise<void> {
  await story.sessionEndsEverywhere()
  await story.logoutWaitsForAnOutage()
}

/** Without this, the story would wait in vain for what a relay that has ended does not do. */
async function deathOf(relay: RelayProcess): Promise<never> {
  throw new Error(`the relay ended by itself, with status ${await relay.exitStatus()}`)
}

/** Resolves with the first signal that asks for the end; a second one does not wait for anything. */
function asked(): Promise<'SIGINT' | 'SIGTERM'> {
  const { promise, resolve } = Promise.withResolvers<'SIGINT' | 'SIGTERM'>()
  let signals = 0
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      signals += 1
      if (signals > 1) process.exit(130)
      resolve(signal)
    })
  }
  return promise
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { keep: { type: 'boolean', default: false } } })
  const signal = asked()
  await using stack = new AsyncDisposableStack()
  const stage = await Promise.race([play(stack), signal])
  if (typeof stage === 'string') {
    narrator.end('\nInterrupted: everything that was started is being stopped.')
    return 130
  }
  if (values.keep) {
    await openPlayground(stage, narrator, stack)
    await signal
  }
  narrator.end('Everything that was started is being stopped.')
  return 0
}

try {
  process.exit(await main())
} catch (error) {
  process.stderr.write(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
}
