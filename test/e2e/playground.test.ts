import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { openPlayground } from '../demo/playground.ts'
import { type Stage, startActors } from '../demo/stage.ts'
import { eventually } from '../support/eventually.ts'
import { Browser } from '../support/identity/browser.ts'

const stack = new AsyncDisposableStack()
const told: string[] = []
let stage: Stage
let commands: readonly string[]

beforeAll(async () => {
  const backends = { kafkaBrokers: inject('kafkaBrokers'), redisUrl: inject('redisUrl') }
  stage = await startActors(backends, stack)
  const narrator = {
    say: (line = '') => void told.push(line),
    detail: (...columns: string[]) => void told.push(columns.join(' ')),
  }
  commands = await openPlayground(stage, narrator, stack)
})
afterAll(() => stack.disposeAsync())

test('it says where everything is', () => {
  const { platform, relay, backends, options } = stage
  const text = told.join('\n')
  const { KAFKA_GROUP_ID, REDIS_PREFIX } = options.env as Record<string, string>
  for (const part of [
    `${relay.url}/`,
    platform.topic.name,
    KAFKA_GROUP_ID,
    REDIS_PREFIX,
    platform.signingKeysFile,
  ])
    expect(text).toContain(part)
  expect(text).toContain(backends.kafkaBrokers)
})

test('logins and logouts appear as they happen, and every command that it prints works', async () => {
  const { shop, wiki } = stage.platform
  const alice = new Browser()
  await alice.signIn(shop, 'alice')
  await alice.signIn(wiki, 'alice')
  await alice.signOut(shop)
  const lines = () =>
    told.filter((line) => /\d{2}:\d{2}:\d{2}/.test(line)).map((line) => line.split(/\s+/)[1])
  await eventually(() => expect(lines()?.toSorted()).toEqual(['login', 'login', 'logout', 'sent', 'sent']))

  const [path = '', ...rest] = commands
  // They reject with what was printed when a command fails.
  for (const command of rest) {
    await promisify(execFile)('sh', ['-c', `${path}\n${command}`])
  }
})
