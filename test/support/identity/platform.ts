import { join } from 'node:path'
import { createScratchDirectory } from '../../stack/scratch-directory.ts'
import type { RelayOptions } from '../relay-process.ts'
import { replaceFile } from '../signing-key-file.ts'
import { TopicLog } from '../topic-log.ts'
import { type IdentityProvider, startProvider } from './provider.ts'
import { type RelyingParty, startRelyingParty } from './relying-party.ts'

/** The world around the relay: a topic, a provider that publishes to it, and two RPs whose users share sessions. */
export interface Platform {
  readonly topic: TopicLog
  readonly provider: IdentityProvider
  readonly shop: RelyingParty
  readonly wiki: RelyingParty
  /** The provider's private keys, for the relay. */
  readonly signingKeysFile: string
  stop(): Promise<void>
}

export interface Backends {
  readonly kafkaBrokers: string
  readonly redisUrl: string
}

/** What was started before a failure is stopped again. */
export async function startPlatform(kafkaBrokers: string, topicName: string): Promise<Platform> {
  await using stack = new AsyncDisposableStack()
  const directory = stack.use(createScratchDirectory('platform'))
  const topic = await TopicLog.create(kafkaBrokers, topicName)
  stack.defer(() => topic.remove(relayGroup(topicName)))
  const provider = await startProvider({ kafkaBrokers, topic: topicName })
  stack.defer(() => provider.stop())
  const shop = await startRelyingParty({ provider, clientId: 'shop', name: 'Shop' })
  stack.defer(() => shop.stop())
  const wiki = await startRelyingParty({ provider, clientId: 'wiki', name: 'Wiki' })
  stack.defer(() => wiki.stop())
  const signingKeysFile = join(directory.path, 'keys.json')
  await replaceFile(signingKeysFile, JSON.stringify(provider.privateKeys))
  const started = stack.move()
  return { topic, provider, shop, wiki, signingKeysFile, stop: () => started.disposeAsync() }
}

/** A relay that serves this platform alone: whatever else is on the same Kafka and Redis, it does not see it. */
export function relayOptions(
  platform: Platform,
  { kafkaBrokers, redisUrl }: Backends,
  env: Readonly<Record<string, string>>,
): RelayOptions {
  const { name } = platform.topic
  return {
    kafkaBrokers,
    redisUrl,
    issuer: platform.provider.issuer,
    signingKeysFile: platform.signingKeysFile,
    env: {
      KAFKA_TOPICS: name,
      KAFKA_GROUP_ID: relayGroup(name),
      KAFKA_START_FROM: 'earliest',
      REDIS_PREFIX: name,
      // What is left in a Redis that goes on is gone soon.
      SESSION_LIFETIME_MS: '3600000',
      ...env,
    },
  }
}

function relayGroup(topicName: string): string {
  return `${topicName}.relay`
}
