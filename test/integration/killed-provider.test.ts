import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, inject, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { openSite } from './open-site.ts'

/** Signs users out, many at a time, and names each that it may tell that it is done. */
const PROVIDER = `
import { Provider } from 'oidc-provider'
import { relayLogouts } from './src/node-oidc-provider/relay-logouts.ts'
const [, brokers, topic] = process.argv
const logouts = await relayLogouts(new Provider('https://login.test.example'), { brokers: brokers.split(','), topic })
let users = 0
const signOut = async () => {
  for (;;) {
    const user = 'user-' + users++
    if ((await logouts.signedOut(user)) === 'published') console.log(user)
  }
}
for (let i = 0; i < 20; i++) void signOut()
`

test('a provider that is killed in the middle: what it has told its users is on the topic', async () => {
  const site = await openSite()
  onTestFinished(() => site.close())
  const child = spawn(
    process.execPath,
    ['--input-type=module', '-e', PROVIDER, inject('kafkaBrokers'), site.topic.name],
    { cwd: fileURLToPath(new URL('../..', import.meta.url)), stdio: ['ignore', 'pipe', 'inherit'] },
  )
  onTestFinished(() => void child.kill('SIGKILL'))
  const told: string[] = []
  const lines = createInterface({ input: child.stdout }).on('line', (line) => told.push(line))
  const ended = once(lines, 'close')
  await eventually(() => expect(told.length).toBeGreaterThan(200))
  child.kill('SIGKILL')
  await ended
  await eventually(() => {
    const published = new Set(site.topic.records.map(({ data }) => data.userId))
    expect(told.filter((user) => !published.has(user))).toEqual([])
  })
})
