import { execFile, spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { checkNodeVersion } from '../../src/diagnosis/configuration.ts'
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

test('nor is there any of a PEM file right after it was read, of which a part is damaged', async () => {
  const pem = (['rsa', 'ec'] as const).map((kind) => {
    const { privateKey } =
      kind === 'rsa'
        ? generateKeyPairSync('rsa', { modulusLength: 2_048 })
        : generateKeyPairSync('ec', { namedCurve: 'P-256' })
    return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  })
  const file = join(site.folder, 'keys.pem')
  await writeFile(file, `${pem.join('')}${pem[0]?.slice(0, 900)}`, { mode: 0o600 })
  const snapshot = join(site.folder, 'pem.heapsnapshot')
  const script = `
    import { writeHeapSnapshot } from 'node:v8'
    import { SigningKeys } from './src/issuers/signing/signing-keys.ts'
    globalThis.keys = new SigningKeys(process.argv[1], { now: Date.now, monotonic: () => performance.now() })
    await keys.load()
    writeHeapSnapshot(process.argv[2])
    console.log(keys.all.length, keys.facts.leftOut[0].reason)`
  const args = ['--input-type=module', '--eval', script, file, snapshot]
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root })
  expect(stdout.trim()).toBe('2 its last line is missing')
  const heap = await readFile(snapshot, 'latin1')
  const lines = pem
    .join('')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('-----'))
  for (const line of lines) expect(heap.includes(line.slice(0, 24))).toBe(false)
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
  const { severity, text: lacking } = checkNodeVersion(process.versions.node)
  const expected = severity === 'ok' ? [] : [lacking]
  const relay = await site.startRelay()
  const { rows } = await relayCommand(['doctor', '--json'], site.commandEnvironment())
  const said = relay.log.filter(({ check }) => check === 'node-version').map(({ text }) => text)
  const examined = rows.filter((it) => it.check === 'node-version' && it.severity !== 'ok')
  expect([said, examined.map(({ text }) => text)]).toEqual([expected, expected])
})
