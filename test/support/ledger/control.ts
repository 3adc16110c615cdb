import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Behaviour, ExpectedSession, LedgerCondition } from './protocol.ts'
import type { RelyingParties } from './relying-parties.ts'

type Command = (relyingParties: RelyingParties, argument: never) => unknown

/** The commands of the control port: each is a POST to its name, with a JSON argument and a JSON answer. */
const commands: Readonly<Record<string, Command>> = {
  summary: async (relyingParties) => relyingParties.summary(),
  arrivals: (relyingParties) => relyingParties.arrivals(),
  reset: (relyingParties) => relyingParties.reset(),
  expect: (relyingParties, sessions: readonly ExpectedSession[]) => relyingParties.compare(sessions),
  behave: async (relyingParties, { origins, behaviour }: { origins: number[]; behaviour: Behaviour }) =>
    relyingParties.behave(origins, behaviour),
  wait: async (relyingParties, { condition, timeoutMs }: { condition: LedgerCondition; timeoutMs: number }) =>
    relyingParties.waitFor(condition, timeoutMs),
}

/** Opens the control port on 127.0.0.1 and returns its number. */
export async function openControlPort(relyingParties: RelyingParties): Promise<number> {
  const server = createServer((request, response) => {
    run(relyingParties, request).then(
      (result) => response.end(JSON.stringify(result ?? null)),
      (error: Error) => response.writeHead(500).end(JSON.stringify(error.message)),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

async function run(relyingParties: RelyingParties, request: IncomingMessage): Promise<unknown> {
  const name = (request.url ?? '').slice(1)
  const command = commands[name]
  if (command === undefined) throw new Error(`no command ${name}`)
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const body = Buffer.concat(chunks).toString()
  return command(relyingParties, (body === '' ? undefined : JSON.parse(body)) as never)
}
