import { RelayFault } from '../lib/errors.ts'
import { fetchDocument } from './fetch-document.ts'

const BYTES_MAX = 256 * 1_024

/** The JSON object at a URI that the operator's own issuer publishes. Throws if there is none, without quoting it. */
export async function fetchJson(uri: string, timeoutMs: number): Promise<Readonly<Record<string, unknown>>> {
  const answer = await fetchDocument(uri, { timeoutMs, bytesMax: BYTES_MAX })
  const { origin, pathname } = new URL(uri)
  const shown = `${origin}${pathname}`
  if (answer.kind === 'unreachable') throw new RelayFault('LR_UNREACHABLE', `${shown}: ${answer.message}`)
  if (answer.status !== 200)
    throw new RelayFault('LR_UNREACHABLE', `${shown}: the answer is ${answer.status}`)
  let content: unknown
  try {
    content = JSON.parse(answer.text)
  } catch {
    throw new RelayFault('LR_UNREACHABLE', `${shown}: the answer is not JSON`)
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new RelayFault('LR_UNREACHABLE', `${shown}: the answer is not a JSON object`)
  }
  return content as Record<string, unknown>
}
