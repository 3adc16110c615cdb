/** Keys that exist once: their last part and their Redis type. */
const singles: Readonly<Record<string, string>> = {
  backlogs: 'zset',
  'client-states': 'hash',
  epoch: 'hash',
  group: 'string',
  positions: 'hash',
  rebuild: 'string',
  relays: 'zset',
  'shadow-backlogs': 'zset',
}

/** Keys per session, user or RP: their kind and their Redis type. */
const entities: Readonly<Record<string, string>> = {
  backlog: 'zset',
  'backlog-state': 'hash',
  client: 'hash',
  ended: 'string',
  relay: 'string',
  session: 'hash',
  'shadow-backlog': 'zset',
  'shadow-backlog-state': 'hash',
  'signed-out': 'string',
  user: 'zset',
}

/** Types that an earlier version used. Such a key is converted on use. */
const earlier: Readonly<Record<string, string>> = { epoch: 'string', user: 'set' }

export function singleKeys(prefix: string): string[] {
  return Object.keys(singles).map((name) => `${prefix}:${name}`)
}

/** Whether an earlier version of the relay wrote a key of this type. */
export function isEarlierLayout(prefix: string, key: string, type: string): boolean {
  const [kind = ''] = key.slice(prefix.length + 1).split(':', 1)
  return Object.hasOwn(earlier, kind) && earlier[kind] === type && layoutOf(prefix, key).type !== undefined
}

/** The layout of a key under the prefix; `type` is undefined for a key outside of the layout. */
export function layoutOf(prefix: string, key: string): { type: string | undefined; isSingle: boolean } {
  const name = key.slice(prefix.length + 1)
  const single = Object.hasOwn(singles, name) ? singles[name] : undefined
  if (single !== undefined) return { type: single, isSingle: true }
  const [, kind = ''] = /^([a-z-]+):\{.*\}$/s.exec(name) ?? []
  return { type: Object.hasOwn(entities, kind) ? entities[kind] : undefined, isSingle: false }
}
