import type { TestProject } from 'vitest/node'
import { type Stack, startStack } from './stack.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** As in KAFKA_BROKERS. */
    kafkaBrokers: string
    /** As in REDIS_URL. */
    redisUrl: string
  }
}

interface SharedStack {
  readonly started: Promise<Stack>
  users: number
}

/** Every vitest project loads its own copy of this module, and all of them are to have one stack. */
const registry = globalThis as typeof globalThis & { logoutRelayTestStack?: SharedStack | undefined }

/** vitest's `globalSetup`: gives the tests of a project one real Kafka and one real Redis, shared by all projects. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  registry.logoutRelayTestStack ??= { started: startStack(), users: 0 }
  const shared = registry.logoutRelayTestStack
  shared.users += 1
  const stack = await shared.started
  project.provide('kafkaBrokers', stack.kafkaBrokers)
  project.provide('redisUrl', stack.redisUrl)
  return async () => {
    shared.users -= 1
    if (shared.users > 0) return
    registry.logoutRelayTestStack = undefined
    await stack.stop()
  }
}
