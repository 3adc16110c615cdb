import { startStack } from '../stack/stack.ts'
import { type Backends, type Platform, relayOptions, startPlatform } from '../support/identity/platform.ts'
import { type RelayOptions, type RelayProcess, startRelay } from '../support/relay-process.ts'

/** Everything that the demo runs on. */
export interface Stage {
  readonly backends: Backends
  readonly platform: Platform
  readonly relay: RelayProcess
  /** What the relay was started with. */
  readonly options: RelayOptions
}

/** Starts Kafka and Redis, or takes the given ones; they end with `stack`. */
export async function startBackends(stack: AsyncDisposableStack): Promise<Backends> {
  return stack.use(await startStack())
}

/** Starts the provider, the two RPs and the relay. They end with `stack`, in reverse order. */
export async function startActors(backends: Backends, stack: AsyncDisposableStack): Promise<Stage> {
  // A name of its own: the broker may be one that was given, with other topics on it.
  const topicName = `demo-${Date.now().toString(36)}-session-events`
  const platform = await startPlatform(backends.kafkaBrokers, topicName)
  stack.defer(() => platform.stop())
  // Short delays, because somebody is watching; the defaults are meant for outages of minutes.
  const settings = { RETRY_BASE_DELAY_MS: '1000', RETRY_MAX_DELAY_MS: '2000' }
  const options = relayOptions(platform, backends, settings)
  const relay = await startRelay(options)
  stack.defer(async () => {
    await relay.stop()
  })
  return { backends, platform, relay, options }
}
