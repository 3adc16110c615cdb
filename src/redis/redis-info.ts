import { messageOf } from '../lib/errors.ts'

/** What Redis' INFO says: its fields by name. */
export type RedisInfo = ReadonlyMap<string, string>

export function readInfo(reply: unknown): RedisInfo {
  const lines = String(reply).split('\r\n')
  return new Map(lines.map((line) => [line.split(':', 1)[0] as string, line.slice(line.indexOf(':') + 1)]))
}

/** What Redis says of a command that it refused; anything else that was thrown is thrown on. */
export function refusalOf(error: unknown): string {
  if ((error as { name?: unknown }).name !== 'ReplyError') throw error
  return messageOf(error)
}
