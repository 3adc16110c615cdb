import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { checkNodeVersion } from '../../src/checks/node-version.ts'
import { eventually } from '../support/eventually.ts'
import { relayCommand } from '../support/relay-command.ts'
import type { RelaySite } from '../support/relay-site.ts'
import { openSite } from './open-site.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
let site: RelaySite

beforeAll(async () => {
  site = await openSite()
})
afterAll(() => site.close())

test('a heap snapshot of a relay that has signed holds no private part of its keys', async () => {
  const snapshot = join(site.folder, 'relay.heapsnapshot')
  const preload = join(site.folder, 'snapshot.mjs')
  const write = `process.on('SIGUSR2', () => { writeHeapSnapshot(${JSON.stringify(snapshot)}); console.log('{"msg":"snapshot"}') })`
  await writeFile(preload, `import { writeHeapSnapshot } from 'node:v8'\n${write}\n`)
  const relay = await site.startRelay({ NODE_OPTIONS: `--import ${pathToFileURL(preload)}` })
  const registrations = ['RS256', 'ES256', 'EdDSA'].map((alg) => site.registration(`/heap/${alg}`, { alg }))
  await site.registerInRedis(...registrations)
  await site.topic.publish(...registrations.map((registration) => site.terminated(registration)))
  await Promise.all(registrations.map(({ clientId }) => site.topic.waitForOutcome(clientId)))
  relay.signal('SIGUSR2')
  await relay.waitForLog(({ msg }) => msg === 'snapshot')
  const heap = await readFile(snapshot, 'latin1')
  // The search finds what is there.
  expect(heap).toContain('test-ed25519')
  for (const part of site.privateKeyParts()) expect(heap.includes(part)).toBe(false)
  await relay.stop()
})

test.each(['npm start', 'the command'])('%s: SIGUSR1 opens no debugger', async (way) => {
  const ended = way === 'npm start' ? await signalledRelay() : await signalledCommand()
  expect(ended.status).toBe(0)
  expect(ended.text).toContain('stopped')
  expect(ended.text).not.toMatch(/debugger|inspector/i)
})

async function signalledRelay(): Promise<{ status: number; text: string }> {
  const relay = await site.startRelay()
  relay.signal('SIGUSR1')
  const status = await relay.stop()
  return { status, text: relay.log.map((line) => JSON.stringify(line)).join('\n') }
}

async function signalledCommand(): Promise<{ status: number; text: string }> {
  const child = spawn(process.execPath, ['src/bin.mjs', 'serve'], {
    cwd: root,
    env: { PATH: process.env.PATH, ...site.commandEnvironment() },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const exited = once(child, 'exit')
  const lines: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => lines.push(line))
  }
  await eventually(() => expect(lines.join('\n')).toContain('"consuming"'))
  child.kill('SIGUSR1')
  child.kill('SIGTERM')
  const [status] = (await exited) as [number]
  return { status, text: lines.join('\n') }
}

test.each([['serve'], ['doctor'], ['sessions', 'list']])(
  'NODE_TLS_REJECT_UNAUTHORIZED=0: %s refuses to run, and says why',
  async (...args) => {
    const env = { ...site.commandEnvironment(), NODE_TLS_REJECT_UNAUTHORIZED: '0' }
    const { status, stderr } = await relayCommand(args, env)
    expect(status).toBe(2)
    expect(stderr).toMatch(/NODE_TLS_REJECT_UNAUTHORIZED: must not be 0.*unset it/)
  },
)

test('a relay on a Node.js that lacks security releases says so, and doctor as well', async () => {
  const expected = checkNodeVersion(process.versions.node).map(({ message }) => message)
  const relay = await site.startRelay()
  const { rows } = await relayCommand(['doctor', '--json'], site.commandEnvironment())
  const said = relay.log.filter(({ check }) => check === 'node-version').map(({ finding }) => finding)
  const judged = rows.filter(({ check, status }) => check === 'node-version' && status !== 'ok')
  expect([said, judged.map(({ found }) => found)]).toEqual([expected, expected])
})
