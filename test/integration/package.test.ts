import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, inject, onTestFinished, test } from 'vitest'
import { createScratchDirectory } from '../stack/scratch-directory.ts'
import { openSite } from './open-site.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))
/** npm finds the Node.js that runs this test first. */
const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` }

const scratch = createScratchDirectory('test')
const folder = scratch.path

/** `npm pack`, and an installation of what it made in a folder where nothing else is. */
beforeAll(async () => {
  const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: root, env })
  const tarball = stdout.trim().split('\n').at(-1) as string
  const quietly = ['--no-audit', '--no-fund', '--no-package-lock', '--prefer-offline']
  await run('npm', ['install', ...quietly, `./${tarball}`], { cwd: folder, env })
}, 240_000)
afterAll(() => scratch.remove())

const npx = (...args: string[]) => run('npx', ['logout-relay', ...args], { cwd: folder, env })

test('the installed command tells its version, and 2 with what is wrong with the configuration', async () => {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
  expect((await npx('--version')).stdout.trim()).toBe(version)
  const refused = npx('serve')
  await expect(refused).rejects.toMatchObject({ code: 2 })
  await expect(refused).rejects.toThrow(/ISSUER: is required/)
})

test('the installed entry for node-oidc-provider can be imported, with its types', async () => {
  const file = join(folder, 'use.mts')
  const wrong = ['// @ts-expect-error', 'relayLogouts(provider, { broker: [] })']
  const source = [
    "import { type OidcProvider, relayLogouts } from 'logout-relay/node-oidc-provider'",
    'const provider = {} as OidcProvider',
    "relayLogouts(provider, { brokers: ['k:9092'] }).catch((error) => console.log(error.code))",
  ]
  await writeFile(file, [...source, ...wrong].join('\n'))
  const options = ['--noEmit', '--ignoreConfig', '--strict', '--module', 'nodenext', '--types', '']
  await run(join(root, 'node_modules', '.bin', 'tsc'), [...options, file], { cwd: folder, env })
  await writeFile(file, source.join('\n'))
  const { stdout } = await run('node', [file], { cwd: folder, env })
  expect(stdout.trim()).toBe('LR_USAGE')
})

test('a provider in CommonJS can require the installed entry', async () => {
  const file = join(folder, 'use.cjs')
  const lines = [
    "const { relayLogouts } = require('logout-relay/node-oidc-provider')",
    "relayLogouts({}, { brokers: ['k:9092'] }).catch((error) => console.log(error.code))",
  ]
  await writeFile(file, lines.join('\n'))
  const { stderr, stdout } = await run('node', [file], { cwd: folder, env })
  expect([stdout.trim(), stderr]).toEqual(['LR_USAGE', ''])
})

test('the installed service delivers', async () => {
  const site = await openSite()
  onTestFinished(() => site.close())
  const command = join(folder, 'node_modules', '.bin', 'logout-relay')
  const child = spawn(command, ['serve'], {
    cwd: folder,
    env: {
      PATH: env.PATH,
      KAFKA_BROKERS: inject('kafkaBrokers'),
      REDIS_URL: inject('redisUrl'),
      ISSUER: 'https://login.test.example',
      SIGNING_KEYS_FILE: site.keysFile,
      EGRESS_ALLOW_HTTP: 'true',
      EGRESS_ALLOW: '127.0.0.0/8',
      KAFKA_START_FROM: 'earliest',
      PORT: '0',
      ...site.environment(),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  onTestFinished(() => void child.kill('SIGKILL'))
  createInterface({ input: child.stdout }).resume()
  const registration = site.registration('/installed')
  await site.topic.publish(site.registered(registration), site.terminated(registration))
  const { data } = await site.topic.waitForOutcome(registration.clientId, registration.sessionId)
  expect(data).toMatchObject({ status: 200, attempts: 1 })
  child.kill('SIGTERM')
  expect(await exited).toEqual([0, null])
})
