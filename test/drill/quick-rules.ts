import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const RULES = new URL('../../helm/logout-relay/rules/alerts.yaml', import.meta.url)
/** The one threshold that is a time: how long a breaker is open, in seconds. */
const BREAKER_OPEN_SECONDS = 900

/** Writes the rules of the chart with each minute made a second. Resolves with the file. */
export async function writeQuickRules(folder: string): Promise<string> {
  const rules = await readFile(RULES, 'utf8')
  const quick = rules
    .replaceAll(/(for: |offset |\[)(\d+)m\b/g, '$1$2s')
    .replaceAll(`> ${BREAKER_OPEN_SECONDS}`, `> ${BREAKER_OPEN_SECONDS / 60}`)
  const file = join(folder, 'alerts.yaml')
  await writeFile(file, quick)
  return file
}
