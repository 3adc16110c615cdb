import type { Command } from 'commander'
import { examineAll } from '../app/create-doctor.ts'
import { layout } from '../config/config.ts'
import { type EachOption, readEachOption } from '../config/read-each-option.ts'
import { conclusionOf, type ExaminedFinding, summaryOf } from '../diagnosis/examination.ts'
import { RelayFault } from '../lib/errors.ts'
import type { RedisConnection } from '../redis/redis-connection.ts'
import { kafkaClient, openKafka, openRedis } from './backends.ts'
import { EXIT_CODE } from './exit-code.ts'
import { columns, shownFindings } from './finding-table.ts'
import { Output } from './output.ts'
import { reads } from './reads.ts'

interface DoctorArguments {
  readonly rp?: string
  readonly client?: string
  readonly all?: boolean
  readonly json?: boolean
}

const example = `
Example:
  logout-relay doctor --rp https://shop.example.com/backchannel-logout

It shows errors and warnings, the worst first. It changes nothing. It sends the
RP one POST with an empty logout_token; that ends no session.
Exit codes: 0 no error (warnings allowed), 1 an error, 2 the configuration is
wrong, 3 Kafka or Redis is unreachable.`

export function addDoctor(program: Command): void {
  reads(program.command('doctor'), layout)
    .description('check Kafka, Redis, the keys of the issuer and an RP; print problems with remedies')
    .option('--rp <uri>', 'also check this back-channel logout URI')
    .option('--client <id>', 'client id of that RP: also check its settings in Redis')
    .option('--all', 'also show hints, what is well and what could not be checked')
    .option('--json', 'one line of JSON per finding, of all')
    .addHelpText('after', example)
    .action(doctor)
}

async function doctor({ rp, client, all = false, json = false }: DoctorArguments): Promise<void> {
  if (client !== undefined && rp === undefined) {
    throw new RelayFault('LR_USAGE', '--client: requires --rp, because it names the RP of --rp')
  }
  const configuration = readEachOption()
  const redis = onceOpenedRedis(configuration)
  const output = new Output(json)
  output.redraw('checking …')
  try {
    const findings = await examineAll({
      configuration,
      ...(rp !== undefined && { rp: { uri: rp, ...(client !== undefined && { clientId: client }) } }),
      openKafka: async (brokers) => {
        const kafka = required(configuration.part(kafkaClient), 'Kafka')
        return openKafka({ ...kafka, brokers: [...brokers] })
      },
      openRedis: redis.open,
    })
    output.redraw('')
    print(findings, all, output)
    const exitCodes = {
      misconfigured: EXIT_CODE.usage,
      unreachable: EXIT_CODE.unreachable,
      error: EXIT_CODE.failed,
      well: EXIT_CODE.ok,
    }
    process.exitCode = exitCodes[conclusionOf(findings)]
  } finally {
    await redis.close()
  }
}

function required<T>(options: T | undefined, name: string): T {
  if (options !== undefined) return options
  throw new RelayFault('LR_CONFIG_INVALID', `options of ${name} are invalid`)
}

function print(findings: readonly ExaminedFinding[], all: boolean, output: Output): void {
  if (output.isJson) {
    for (const finding of findings) output.json(finding)
    return
  }
  const shown = shownFindings(findings, all)
  output.rows(columns, shown, 'no errors and no warnings')
  const hidden = shown.length === findings.length ? '' : '; --all shows the rest'
  output.note(`${summaryOf(findings)}${hidden}`)
}

/** One connection for all that ask. */
function onceOpenedRedis(configuration: EachOption) {
  let connection: Promise<RedisConnection> | undefined
  return {
    open: async (): Promise<RedisConnection> => {
      connection ??= openRedis(required(configuration.part(layout.redis), 'Redis'))
      return connection
    },
    close: async (): Promise<void> => {
      await connection?.then(
        (redis) => redis.close(),
        () => undefined,
      )
    },
  }
}
