import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { counted } from '../../src/lib/counted.ts'
import { createScratchDirectory } from '../stack/scratch-directory.ts'
import { relayEnvironment } from '../support/relay-process.ts'
import type { TopicRecord } from '../support/topic-log.ts'
import type { Narrator } from './narrator.ts'
import type { Stage } from './stage.ts'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

/** An argument of a shell, as it stands. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

/**
 * What `--keep` leaves: where everything is, commands to paste, and a line for each record on the topic from now on.
 * Returns those commands, in order; they are for one shell.
 */
export async function openPlayground(
  stage: Stage,
  narrator: Pick<Narrator, 'say' | 'detail'>,
  stack: AsyncDisposableStack,
): Promise<readonly string[]> {
  const { platform, relay, backends, options } = stage
  const { provider, shop, wiki, topic, signingKeysFile } = platform
  const bin = await writeCommand(stage, stack)
  const commands = [
    `export PATH=${quoted(bin)}:"$PATH"`,
    'logout-relay doctor',
    'logout-relay trace alice',
    'logout-relay backlog list',
    `logout-relay sessions register --session s1 --oidc-session o1 --client shop --user carol --uri ${shop.backchannelLogoutUri}`,
    'logout-relay send session-terminated --session s1 --wait',
    'logout-relay trace s1',
  ]
  narrator.say('\nEverything keeps running until Ctrl-C.')
  narrator.say('\nIn a browser: any name signs in, and /logout at one application ends both.')
  narrator.detail(`Shop          ${shop.url}  (${shop.url}/logout)`)
  narrator.detail(`Wiki          ${wiki.url}  (${wiki.url}/logout)`)
  narrator.detail(`status page   ${relay.url}/`)
  narrator.detail(`more          ${relay.url}/readyz  ${relay.url}/metrics  ${relay.url}/jwks.json`)
  narrator.say('\nWhat the relay was started with:')
  narrator.detail(`provider      ${provider.issuer}  (${provider.issuer}/.well-known/openid-configuration)`)
  narrator.detail(`keys          ${signingKeysFile}`)
  narrator.detail(`Kafka         ${backends.kafkaBrokers}`)
  narrator.detail(`topic         ${topic.name}`)
  narrator.detail(`group         ${options.env?.KAFKA_GROUP_ID}`)
  narrator.detail(`Redis         ${withoutPassword(backends.redisUrl)}`)
  narrator.detail(`prefix        ${options.env?.REDIS_PREFIX}`)
  narrator.say(
    '\nIn a second terminal. The last three tell Shop of a session made up; for an RP of your own, name it and its URI instead.',
  )
  for (const command of commands) narrator.detail(command)
  narrator.say('\nWhat happens from now on:')
  topic.watch((record) => narrator.detail(lineOf(record, new Date())))
  return commands
}

/** A `logout-relay` that is told of the demo, whatever the shell around it says. Resolves with its folder. */
async function writeCommand({ options }: Stage, stack: AsyncDisposableStack): Promise<string> {
  const { path } = stack.use(createScratchDirectory('demo'))
  const { PORT: _, ...environment } = { ...relayEnvironment(options), ...options.env }
  const exports = Object.entries(environment).map(([name, value]) => `export ${name}=${quoted(value)}`)
  const bin = join(path, 'bin')
  await mkdir(bin)
  // Only its owner may read it: the URL of a given Redis may have a password.
  const script = ['#!/bin/sh', ...exports, `exec ${quoted(process.execPath)} ${quoted(MAIN)} "$@"`, '']
  await writeFile(join(bin, 'logout-relay'), script.join('\n'), { mode: 0o700 })
  return bin
}

function withoutPassword(url: string): string {
  const shown = new URL(url)
  shown.password = ''
  return shown.href.replace(/\/$/, '')
}

/** What a record says, for people. */
function lineOf({ headers, data }: TopicRecord, at: Date): string {
  const time = at.toTimeString().slice(0, 8)
  const [who, session] = [String(data.userId ?? ''), shorten(data.sessionId)]
  const type = headers.ce_type ?? data.type
  switch (type) {
    case 'backchannel-logout-registered':
      return `${time}  login    ${who} at ${data.clientId}, session ${session}`
    case 'session-terminated':
      return `${time}  logout   session ${session}${who === '' ? '' : ` of ${who}`} has ended`
    case 'user-signed-out':
      return `${time}  logout   ${who} has signed out everywhere`
    case 'backchannel-logout-sent':
      return `${time}  sent     ${data.clientId} answered ${data.status} to attempt ${data.attempts}, session ${session}`
    case 'backchannel-logout-failed':
      return `${time}  failed   ${data.clientId}: ${data.reason} after ${counted(Number(data.attempts), 'attempt')}, session ${session}`
    default:
      return `${time}  record   ${type ?? 'of another format'}`
  }
}

function shorten(id: unknown): string {
  const text = String(id ?? '')
  return text.length > 12 ? `${text.slice(0, 8)}…` : text
}
