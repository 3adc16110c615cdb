import { link, mkdir, readdir, readlink, writeFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { createIssuers } from '../../src/app/create-issuers.ts'
import type { Issuers } from '../../src/issuers/issuers.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createScratchDirectory } from '../stack/scratch-directory.ts'
import { privateJwk } from '../support/signing-key-file.ts'

// What many issuers cost one relay before anything is delivered: node --expose-gc test/bench/many-issuers.ts

const LISTED = 5_000
const TENANTS = 100_000
const USED = 1_000
const RUNS = 5
const RSA_FILES = 20

await using scratch = createScratchDirectory('many-issuers')
const folder = scratch.path
await mkdir(join(folder, 'keys'))
await mkdir(join(folder, 'tenants'))
for (let i = 0; i < RSA_FILES; i++) await writeFile(keyFile(i), JSON.stringify(privateJwk('rsa', String(i))))
for (let i = RSA_FILES; i < LISTED; i++) await link(keyFile(i % RSA_FILES), keyFile(i))
// Hard links: a file of its own for each, as far as the relay sees.
for (let i = 0; i < TENANTS; i++) await link(keyFile(i % RSA_FILES), join(folder, 'tenants', `t${i}.json`))
const lines = Array.from({ length: LISTED }, (_, i) => {
  return `  - issuer: https://login.example.com/realms/r${i}\n    aliases: [realm:r${i}]\n    keys: { file: keys/${i}.json }\n    retry: { deadline: 12h }\n`
})
const listed = join(folder, 'listed.yaml')
await writeFile(listed, `issuers:\n${lines.join('')}`)
const json = join(folder, 'listed.json')
const entries = Array.from({ length: LISTED }, (_, i) => {
  return {
    issuer: `https://login.example.com/realms/r${i}`,
    aliases: [`realm:r${i}`],
    keys: { file: `keys/${i}.json` },
  }
})
await writeFile(json, JSON.stringify({ issuers: entries }))
const pattern = join(folder, 'pattern.yaml')
await writeFile(
  pattern,
  'issuers:\n  - issuer: https://{tenant}.login.example.com\n    keys: { file: "tenants/{tenant}.json" }\n',
)

const before = await standing()
let issuers = issuersOf(listed)
for (const file of [json, listed]) {
  const starts: Cost[] = []
  for (let i = 0; i < RUNS; i++) {
    issuers = issuersOf(file)
    starts.push(await costOf(() => issuers.load()))
  }
  say(`${LISTED} issuers in ${extname(file)}: read in ${median(starts)}`, await standing(), before)
}

issuers.watch(100, { ...nothing(), onIssuersReloaded: () => undefined, onIssuersRefused: () => undefined })
await cpuOfSeconds('nothing changes, looked at ten times a second', 5)
const withFew = await standing()
await use(issuers, (i) => `https://login.example.com/realms/r${i}`, USED)
say(`${USED} of them have signed`, await standing(), withFew)
await cpuOfSeconds(`nothing changes, with ${USED} keys in use`, 5)
issuers.close()

const beforePattern = await standing()
const tenants = issuersOf(pattern)
const start = await costOf(() => tenants.load())
say(`${TENANTS} tenants by a pattern: ready in ${median([start])}`, await standing(), beforePattern)
const beforeUse = await standing()
await use(tenants, (i) => `https://t${i}.login.example.com`, USED)
say(`${USED} of them have signed`, await standing(), beforeUse)

function keyFile(i: number): string {
  return join(folder, 'keys', `${i}.json`)
}

function nothing() {
  return { onReloaded: () => undefined, onReloadFailed: () => undefined }
}

function issuersOf(file: string): Issuers {
  return createIssuers(
    {
      issuers: { file, issuer: undefined },
      delivery: { retry: { deadlineMs: 86_400_000 }, userSignedOutWithoutSession: 'fan-out' },
    },
    systemClock,
  )
}

/** One token of each of the first so many. */
async function use(of: Issuers, idOf: (i: number) => string, count: number): Promise<void> {
  for (let i = 0; i < count; i++)
    await new Promise<void>((resolve, reject) => {
      of.get(idOf(i))?.signer.sign({ alg: 'RS256', typ: 'logout+jwt' }, '{}', (it) =>
        it instanceof Error ? reject(it) : resolve(),
      )
    })
}

interface Standing {
  readonly heapMb: number
  readonly files: number
  readonly watches: number
}

async function standing(): Promise<Standing> {
  // What was read last is let go of a moment later.
  for (let i = 0; i < 3; i++) {
    await setTimeout(100)
    globalThis.gc?.()
  }
  const open = await readdir('/proc/self/fd')
  const targets = await Promise.all(open.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')))
  return {
    heapMb: (process.memoryUsage().heapUsed + process.memoryUsage().external) / 1_048_576,
    files: targets.filter((it) => it.startsWith(folder)).length,
    watches: targets.filter((it) => it.includes('inotify')).length,
  }
}

function say(what: string, now: Standing, then: Standing): void {
  const { files, heapMb, watches } = now
  const grown = (heapMb - then.heapMb).toFixed(1)
  console.log(`${what}; ${grown} MB more; open files ${files}, file watches ${watches}`)
}

async function cpuOfSeconds(what: string, seconds: number): Promise<void> {
  const start = process.cpuUsage()
  await setTimeout(seconds * 1_000)
  const { user, system } = process.cpuUsage(start)
  console.log(`${what}: ${((user + system) / 1_000 / seconds / 10).toFixed(1)} ms of processor time per look`)
}

interface Cost {
  readonly ms: number
  readonly processorMs: number
}

async function costOf(work: () => Promise<unknown>): Promise<Cost> {
  const [start, used] = [performance.now(), process.cpuUsage()]
  await work()
  const { user, system } = process.cpuUsage(used)
  return { ms: performance.now() - start, processorMs: (user + system) / 1_000 }
}

/** Of each by itself. A machine that does other things says more by the second. */
function median(costs: readonly Cost[]): string {
  const of = (name: keyof Cost) =>
    costs.map((it) => it[name]).sort((a, b) => a - b)[costs.length >> 1] ?? Number.NaN
  const [first] = costs
  return `${of('ms').toFixed(0)} ms, ${of('processorMs').toFixed(0)} ms of processor time (the first: ${first?.ms.toFixed(0)}, ${first?.processorMs.toFixed(0)})`
}
