import type { RelayProcess } from './relay-process.ts'

/** The sum of a metric's samples whose labels include the given ones; 0 when there is none. `name` without prefix. */
export async function readMetric(
  relay: Pick<RelayProcess, 'url'>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number> {
  const text = await (await fetch(`${relay.url}/metrics`)).text()
  let sum = 0
  for (const line of text.split('\n')) {
    const [, found, labelText = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
    if (found !== `logout_relay_${name}`) continue
    const has = ([label, content]: [string, string]) => labelText.includes(`${label}="${content}"`)
    if (Object.entries(labels).every(has)) sum += Number(value)
  }
  return sum
}
