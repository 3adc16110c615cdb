import { messageOf } from '../lib/errors.ts'

/** The fields of Redis' INFO by name. */
export type RedisInfo = ReadonlyMap<string, string>

export function readInfo(reply: unknown): RedisInfo {
  const lines = String(reply).split('\r\n')
  return new Map(lines.map((line) => [line.split(':', 1)[0] as string, line.slice(line.indexOf(':') + 1)]))
}

/** The message of a command that Redis refused. Rethrows any other error. */
export function refusalOf(error: unknown): string {
  if ((error as { name?: unknown }).name !== 'ReplyError') throw error
  return messageOf(error)
}
