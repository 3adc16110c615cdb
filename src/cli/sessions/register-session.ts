import { randomUUID } from 'node:crypto'
import type { Command } from 'commander'
import { layout, readConfigPart } from '../../config/config.ts'
import type { ResolveIssuer } from '../../events/decoding/decode-record.ts'
import type { Registration } from '../../events/registration.ts'
import type { TriggerOrigin } from '../../events/trigger.ts'
import { systemClock } from '../../lib/clock.ts'
import { RelayFault } from '../../lib/errors.ts'
import { RedisEpochStore } from '../../redis/redis-epoch-store.ts'
import { RedisRegistry } from '../../redis/redis-registry.ts'
import type { RegistryAnswer } from '../../registry/registry.ts'
import { parseIssuer, readConfigFor } from '../arguments.ts'
import { EXIT_CODE } from '../exit-code.ts'
import { type Column, Output } from '../output.ts'
import { reads } from '../reads.ts'
import { siteLayout, withRedis } from '../with-redis.ts'
import { checkRegistrations, readAll, readRegistrations } from './read-registrations.ts'

interface Options {
  readonly issuer?: string
  readonly stdin?: boolean
  readonly json?: boolean
  readonly [field: string]: unknown
}

interface ResultRow extends Record<string, unknown> {
  readonly sessionId: string
  readonly clientId: string
  readonly oidcSessionId: string
  readonly result: 'registered' | 'session-ended' | 'already-settled' | 'refused'
  readonly endedBy?: TriggerOrigin
}

const columns: readonly Column<ResultRow>[] = [
  { title: 'SESSION', cell: ({ sessionId }) => sessionId },
  { title: 'CLIENT', cell: ({ clientId }) => clientId },
  { title: 'OIDC SESSION', cell: ({ oidcSessionId }) => oidcSessionId },
  { title: 'RESULT', cell: resultText, isProse: true },
]

/** Option → field of a registration. */
const FIELDS: Readonly<Record<string, string>> = {
  session: 'sessionId',
  oidcSession: 'oidcSessionId',
  client: 'clientId',
  user: 'userId',
  uri: 'backchannelLogoutUri',
  sub: 'sub',
  sid: 'sid',
  sessionRequired: 'sessionRequired',
  alg: 'alg',
  claims: 'claims',
  registeredAt: 'registeredAt',
}

const BATCH = 500

export function addRegisterSession(sessions: Command): void {
  reads(sessions.command('register'), layout.registry, siteLayout)
    .description('write registrations to Redis, like a relay does for those on the topic')
    .option('--issuer <issuer>', 'issuer of registrations without one (default: the only one)', parseIssuer)
    .option('--stdin', 'read registrations from standard input: JSON, one object or one per line')
    .option('--session <id>', 'sessionId: the session id of the provider')
    .option('--oidc-session <id>', 'oidcSessionId: the id of the registration within its session')
    .option('--client <id>', 'clientId: the RP')
    .option('--user <id>', 'userId: the user')
    .option(
      '--uri <uri>',
      'backchannelLogoutUri: where the RP accepts logout tokens (default: that of the client)',
    )
    .option('--sub <sub>', 'sub: the subject that the RP knows (default: the user)')
    .option('--sid <sid>', 'sid: the session id that the RP knows (default: the session)')
    .option('--session-required', 'sessionRequired: the RP requires sid in every token')
    .option('--alg <alg>', 'alg: RS256, PS256, ES256, EdDSA or Ed25519')
    .option('--claims <claims>', 'claims: both, sub or sid')
    .option('--registered-at <time>', 'registeredAt: when it was made, ISO 8601 (default: now)')
    .option('--json', 'one line of JSON per registration')
    .addHelpText(
      'after',
      `
Examples:
  $ logout-relay sessions register --session s1 --oidc-session o1 \\
      --client shop --user u1 --uri https://shop.example.com/backchannel-logout
  $ logout-relay sessions register --stdin < registrations.jsonl`,
    )
    .action(registerSession)
}

async function registerSession(options: Options): Promise<void> {
  const output = new Output(options.json === true)
  const lifetimes = readConfigPart(layout.registry)
  const { issuer, isKnown, resolveIssuer } = await readConfigFor({}, options.issuer)
  // Whoever has misspelt it would not notice: nobody is told of a session of another issuer.
  if (isKnown === false)
    return output.fail(`--issuer: nothing was registered, because ${issuer} is not an issuer of this relay`)
  const registrations = await given(options, issuer, resolveIssuer)
  await withRedis(options.issuer, async ({ keys, redis }) => {
    const registry = new RedisRegistry({ ...lifetimes, keys, redis })
    const rows: ResultRow[] = []
    for (let i = 0; i < registrations.length; i += BATCH) {
      const part = registrations.slice(i, i + BATCH)
      const answers = await registry.apply(
        part.map((registration) => ({ kind: 'register', registration, origin: byHand() })),
      )
      rows.push(...part.map((registration, k) => rowOf(registration, answers[k] as RegistryAnswer)))
    }
    output.rows(columns, rows, '')
    if (rows.some(({ result }) => result === 'registered')) {
      output.note('only Redis holds this: a rebuild from the topic loses it')
    }
    const shown = await new RedisEpochStore(redis, keys).read()
    if (shown === undefined || !(shown.isOfThisRun || shown.isUnknownRun)) {
      output.note(
        'Redis does not hold the registry: no relay has used it yet, or it was emptied and is being rebuilt',
      )
    }
    if (rows.some(({ result }) => result === 'session-ended')) {
      output.note(
        'the session had already ended: its RP got no logout; run "logout-relay send session-terminated" to send one',
      )
    }
    if (rows.some(({ result }) => result !== 'registered')) process.exitCode = EXIT_CODE.failed
  })
}

/** What the options name, or what comes on standard input. Throws `LR_USAGE`, which names the wrong field. */
async function given(
  options: Options,
  issuer: string,
  resolveIssuer: ResolveIssuer,
): Promise<Registration[]> {
  const fields = Object.entries(FIELDS).filter(([option]) => options[option] !== undefined)
  if (options.stdin === true) {
    if (fields.length > 0) {
      throw new RelayFault('LR_USAGE', '--stdin: cannot be used with options that describe a registration')
    }
    return readRegistrations(await readAll(process.stdin), issuer, systemClock.now(), resolveIssuer)
  }
  if (fields.length === 0) {
    throw new RelayFault(
      'LR_USAGE',
      'give --session, --oidc-session, --client and --user, or --stdin to read JSON from standard input',
    )
  }
  const data = { issuer, ...Object.fromEntries(fields.map(([option, field]) => [field, options[option]])) }
  return checkRegistrations([{ where: 'registration', data }], issuer, systemClock.now())
}

/** No record of the topic says so; only seen where somebody else's tombstone names no trigger. */
function byHand(): TriggerOrigin {
  return { id: `sessions-register-${randomUUID()}`, topic: '', partition: 0, offset: 0 }
}

function rowOf(registration: Registration, answer: RegistryAnswer): ResultRow {
  const { sessionId, clientId, oidcSessionId } = registration
  const name = { sessionId, clientId, oidcSessionId }
  if (answer.kind === 'registered') {
    const { endedBy } = answer
    return endedBy === undefined
      ? { ...name, result: 'registered' }
      : { ...name, result: 'session-ended', endedBy: endedBy.origin }
  }
  return { ...name, result: answer.kind === 'already-settled' ? 'already-settled' : 'refused' }
}

function resultText({ result, endedBy }: ResultRow): string {
  switch (result) {
    case 'registered':
      return 'registered'
    case 'session-ended': {
      const where = endedBy?.topic
        ? `${endedBy.id} (${endedBy.topic}/${endedBy.partition}/${endedBy.offset})`
        : 'a tombstone without a trigger'
      return `registered, but ${where} had ended the session`
    }
    case 'already-settled':
      return 'not registered: its RP already got the logout of this session'
    case 'refused':
      return 'not registered: another application uses the key of the session'
    default:
      return result satisfies never
  }
}
