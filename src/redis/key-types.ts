/** Keys of which there is one, by their last part, with the type that Redis' TYPE must name. */
const singles: Readonly<Record<string, string>> = {
  backlogs: 'zset',
  epoch: 'hash',
  group: 'string',
  positions: 'hash',
  rebuild: 'string',
}

/** Keys per session, user or RP, by their kind. */
const entities: Readonly<Record<string, string>> = {
  backlog: 'zset',
  'backlog-state': 'hash',
  client: 'hash',
  ended: 'string',
  session: 'hash',
  'signed-out': 'string',
  user: 'zset',
}

/** What an earlier version kept; such a key is converted when it is met. */
const earlier: Readonly<Record<string, string>> = { epoch: 'string', user: 'set' }

export function singleKeys(prefix: string): string[] {
  return Object.keys(singles).map((name) => `${prefix}:${name}`)
}

/** Whether a key that holds `type` was written by an earlier version of the relay. */
export function isEarlierLayout(prefix: string, key: string, type: string): boolean {
  const [kind = ''] = key.slice(prefix.length + 1).split(':', 1)
  return Object.hasOwn(earlier, kind) && earlier[kind] === type && layoutOf(prefix, key).type !== undefined
}

/** What the layout says of a key under the prefix; without a type when the layout does not know it. */
export function layoutOf(prefix: string, key: string): { type: string | undefined; isSingle: boolean } {
  const name = key.slice(prefix.length + 1)
  const single = Object.hasOwn(singles, name) ? singles[name] : undefined
  if (single !== undefined) return { type: single, isSingle: true }
  const [, kind = ''] = /^([a-z-]+):\{.*\}$/s.exec(name) ?? []
  return { type: Object.hasOwn(entities, kind) ? entities[kind] : undefined, isSingle: false }
}
