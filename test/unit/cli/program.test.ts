import type { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { exitCodeOf } from '../../../src/cli/fault.ts'
import { commandNamed, createProgram } from '../../../src/cli/program.ts'
import { optionsReadBy } from '../../../src/cli/reads.ts'
import { messageOf } from '../../../src/lib/errors.ts'

function all(command: Command): Command[] {
  return [command, ...command.commands.flatMap(all)]
}

/** Runs the command line in this process; what it refuses it refuses before anything is connected to. */
async function run(args: readonly string[]): Promise<{ out: string; exitCode: number }> {
  const program = await createProgram(args[0])
  let out = ''
  const write = (text: string): void => {
    out += text
  }
  for (const command of all(program)) command.configureOutput({ writeOut: write, writeErr: write })
  try {
    await program.parseAsync(args, { from: 'user' })
    return { out, exitCode: 0 }
  } catch (error) {
    return { out: out + messageOf(error), exitCode: exitCodeOf(error) }
  }
}

function nameOf(command: Command): string {
  return command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`
}

describe('every command', async () => {
  const commands = all(await createProgram())
    .map(nameOf)
    .filter((name) => /^logout-relay (sessions|backlog|keys|send|trace|schema|env|completion)/.test(name))

  test.each(commands)('%s: its help ends with an example of it', async (name) => {
    const { out, exitCode } = await run([...name.split(' ').slice(1), '--help'])
    expect(exitCode).toBe(0)
    expect(`${out} `).toMatch(new RegExp(`\nExamples:\n {2}\\$ ${name}\\s`))
  })

  test('its help fits into 80 columns', async () => {
    for (const command of all(await createProgram())) {
      const { out } = await run([...nameOf(command).split(' ').slice(1), '--help'])
      expect(out.split('\n').filter((line) => line.length > 80)).toEqual([])
    }
  })

  test.each([
    [['sessoins', 'list'], 'Did you mean sessions?'],
    [['sessions'], 'Usage: logout-relay sessions'],
    [['sessions', 'lst'], 'Did you mean list?'],
    [['sessions', 'list', '--usr', 'alice'], 'Did you mean --user?'],
    [['sessions', 'list', 'alice'], 'too many arguments'],
    [['sessions', 'list', '--limit', '0'], '--limit: must be a whole number'],
    [['sessions', 'list', '--issuer', 'a\nb'], '--issuer: must not contain control characters'],
    [['sessions', 'show'], "missing required argument 'session'"],
    [['sessions', 'show', ''], '<session>: must not be empty'],
    [['sessions', 'remove', 's', '--client', 'a\nb'], '--client: must not contain control characters'],
    [['sessions', 'register', '--issuer', 'https://login.test.example'], '--stdin'],
    [
      ['sessions', 'register', '--issuer', 'https://login.test.example', '--stdin', '--user', 'u'],
      '--stdin: cannot be used with',
    ],
    [['backlog', 'retry'], '<client>: '],
    [['backlog', 'retry', 'shop', '--all'], '<client>: '],
    [['backlog', 'show', 'shop', '--limit', 'many'], '--limit: must be a whole number'],
    [['send', 'session-ended'], 'unknown command'],
    [['send', 'session-terminated'], "required option '--session <id>' not specified"],
    [['send', 'session-terminated', '--session', 's', '--wait', 'long'], '--wait: "long" is not a duration'],
    [['send', 'session-terminated', '--session', 's', '--wait', '2d'], '--wait: must be'],
    [['keys', 'new', '--alg', 'HS256'], '--alg: must be'],
    [['keys', 'new', '--kid', 'a\nb'], '--kid: must not contain control characters'],
    [['keys', 'rotate'], "required option '--in <duration>' not specified"],
    [['keys', 'rotate', '--in', '13mo'], '--in: "13mo" is not a duration'],
    [['keys', 'list', '--file', '/nowhere/keys.json'], 'cannot be read'],
    [['keys', 'from-pem', '/nowhere/key.pem'], '/nowhere/key.pem: cannot be read'],
    [['trace'], 'missing required argument'],
    [['trace', 's', '--since', 'yesterday'], '--since: "yesterday" is not a time'],
    [['trace', 's', '--sinc', '2h'], 'Did you mean --since?'],
    [['trace', 's', '--from', 'yesterday'], '--since: "yesterday" is not a time'],
    [['replay', '--since', 'yesterday'], '--from: "yesterday" is not a time'],
    [['replay', '--type', 'logout'], 'Allowed choices are session-terminated'],
    [['replay', '--from', '1h', '--failed', '--reason', 'expird'], '--reason: must be one of'],
    [['env', 'sessoins'], 'there is no command sessoins'],
    [['completion', 'csh'], 'Allowed choices are bash'],
    [['schema', 'sesion-terminated'], 'did you mean session-terminated?'],
    [['schema', 'login'], 'must be one of session-terminated, user-signed-out'],
    [['trace', 's', '--env-file', '/nowhere/relay.env'], '/nowhere/relay.env'],
    [['--env-file', '/nowhere/relay.env', 'trace', 's'], '/nowhere/relay.env'],
  ])('%j is refused', async (args, message) => {
    const { out, exitCode } = await run(args)
    expect(out).toContain(message)
    expect(exitCode).toBe(2)
  })
})

describe('what a command reads of the environment is what `logout-relay env` says', async () => {
  const leaves = all(await createProgram()).filter(({ commands }) => commands.length === 0)
  const required: Readonly<Record<string, readonly string[]>> = {
    replay: ['--from', '1h'],
    'backlog retry': ['x'],
    'sessions register': ['--session', 's'],
    'send session-terminated': ['--session', 's', '--wait'],
    'send user-signed-out': ['--user', 'u', '--wait'],
    completion: ['bash'],
  }
  // These look at all that can be looked at, run until they are stopped, or require no option.
  const others = [
    ...['doctor', 'serve', 'completion', 'env', 'map', 'schema'],
    ...['keys new', 'keys rotate', 'keys from-pem'],
  ]

  test.each(leaves.map((it) => [nameOf(it).replace('logout-relay ', ''), it] as const))(
    '%s',
    async (name, leaf) => {
      expect(optionsReadBy(leaf).length === 0).toBe(
        ['completion', 'env', 'schema', 'keys new', 'keys from-pem'].includes(name),
      )
      if (others.includes(name)) return
      const values = required[name] ?? leaf.registeredArguments.map(() => 'x')
      const { out, exitCode } = await run([...name.split(' '), ...values])
      expect(exitCode).toBe(2)
      const missing = [...out.matchAll(/^ +([A-Z_]+): is required/gm)].map(([, option]) => option)
      expect(missing).not.toEqual([])
      expect(optionsReadBy(leaf)).toEqual(expect.arrayContaining(missing))
    },
  )
})

test('the command is found behind options of the program', () => {
  expect(commandNamed(['--env-file', 'serve', 'trace', 'alice'])).toBe('trace')
  expect(commandNamed(['--env-file=x', 'serve'])).toBe('serve')
  expect(commandNamed(['--help'])).toBeUndefined()
})
