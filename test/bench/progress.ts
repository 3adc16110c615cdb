/** One line per run on stderr, so that stdout holds the report alone. */
export function appendProgress(stage: string, run: object): void {
  const fields = Object.entries(run).map(([name, value]) => `${name} ${shown(value)}`)
  process.stderr.write(`${stage}: ${fields.join(', ')}\n`)
}

function shown(value: unknown): string {
  if (typeof value !== 'number') return String(value)
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toFixed(2)))
}
