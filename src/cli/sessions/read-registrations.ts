import type { ResolveIssuer } from '../../events/decoding/decode-record.ts'
import { readRegistration } from '../../events/read-registration.ts'
import type { Registration } from '../../events/registration.ts'
import { RelayFault } from '../../lib/errors.ts'

/** One that was given, with where it stood, for messages. */
interface Given {
  readonly where: string
  readonly data: unknown
}

const INPUT_BYTES_MAX = 64 * 1_024 * 1_024

/**
 * Registrations from JSON text: an object, a list, or an object per line. All are checked, as those on the topic are,
 * before any is used. Throws `LR_USAGE`, which names each wrong field and where it stands, and quotes nothing.
 */
export function readRegistrations(
  text: string,
  issuer: string,
  nowMs: number,
  resolveIssuer?: ResolveIssuer,
): Registration[] {
  return checkRegistrations(givenIn(text), issuer, nowMs, resolveIssuer)
}

export function checkRegistrations(
  given: readonly Given[],
  issuer: string,
  nowMs: number,
  resolveIssuer: ResolveIssuer = (name) => name,
): Registration[] {
  const found: Registration[] = []
  const problems: string[] = []
  for (const { where, data } of given) {
    const result = readRegistration(data, issuer)
    if (result.kind === 'invalid') problems.push(`${where}: ${result.reason}`)
    else if (resolveIssuer(result.registration.issuer) !== issuer) {
      problems.push(`${where}: issuer: differs from ${issuer}; set --issuer`)
    }
    // Without a time of its own it is made now, as one on the topic was made when its record was written.
    else
      found.push({
        ...result.registration,
        issuer,
        registeredAtMs: result.registration.registeredAtMs ?? nowMs,
      })
  }
  if (problems.length > 0) {
    const lines = problems.slice(0, 20).map((problem) => `  ${problem}`)
    throw new RelayFault('LR_USAGE', `nothing was registered:\n${lines.join('\n')}`)
  }
  if (found.length === 0) throw new RelayFault('LR_USAGE', 'standard input: holds no registration')
  return found
}

function givenIn(text: string): Given[] {
  const whole = parse(text)
  if (Array.isArray(whole)) return whole.map((data, i) => ({ where: `registration ${i + 1}`, data }))
  if (whole !== undefined) return [{ where: 'registration', data: whole }]
  return text.split('\n').flatMap((line, i) => {
    if (line.trim() === '') return []
    const data = parse(line)
    if (data === undefined) throw new RelayFault('LR_USAGE', `standard input, line ${i + 1}: is not JSON`)
    return [{ where: `line ${i + 1}`, data }]
  })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Everything that comes on a stream. Throws `LR_USAGE` when it is more than anybody means to register at once. */
export async function readAll(stream: AsyncIterable<Buffer | string>): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of stream) {
    const part = Buffer.from(chunk)
    bytes += part.length
    if (bytes > INPUT_BYTES_MAX) {
      throw new RelayFault('LR_USAGE', `standard input: has more than ${INPUT_BYTES_MAX} bytes; split it`)
    }
    chunks.push(part)
  }
  return Buffer.concat(chunks).toString('utf8')
}
