import type { DocumentAnswer } from '../egress/fetch-document.ts'

/** Why a registry cannot be asked. */
export type RegistryFailure =
  | { readonly kind: 'network'; readonly code: string; readonly message: string }
  | { readonly kind: 'status'; readonly status: number }
  | { readonly kind: 'no-registry' }

export function describeFailure(failure: RegistryFailure): string {
  switch (failure.kind) {
    case 'network':
      return `${failure.message} (${failure.code})`
    case 'status':
      return `it answers ${failure.status}`
    case 'no-registry':
      return 'what answers there is no schema registry'
    default:
      return failure satisfies never
  }
}

export type RegistryAnswer =
  | { readonly kind: 'found'; readonly content: Readonly<Record<string, unknown>> }
  /** The registry says that there is no such thing. */
  | { readonly kind: 'absent' }
  /** The same, or what answers is no registry. */
  | { readonly kind: 'doubtful'; readonly status: number }
  | { readonly kind: 'too-long' }
  | { readonly kind: 'failed'; readonly failure: RegistryFailure }

/** Refusals that lie in the login, the time or the load: what was asked for may well exist. */
const WAITED_FOR = new Set([401, 403, 407, 408, 429])

/** Such as 40403: the status with two digits of the registry's own behind it. A web server says 404. */
const OWN_ERROR = /^4\d{4}$/

export function judge(answer: DocumentAnswer): RegistryAnswer {
  if (answer.kind === 'unreachable') {
    const { code, message } = answer
    return code === 'LR_BODY_TOO_LONG'
      ? { kind: 'too-long' }
      : { kind: 'failed', failure: { kind: 'network', code, message } }
  }
  const { status, text } = answer
  const content = contentOf(text)
  if (status === 200)
    return content === undefined
      ? { kind: 'failed', failure: { kind: 'no-registry' } }
      : { kind: 'found', content }
  if (status < 400 || status >= 500 || WAITED_FOR.has(status))
    return { kind: 'failed', failure: { kind: 'status', status } }
  return OWN_ERROR.test(String(content?.error_code)) ? { kind: 'absent' } : { kind: 'doubtful', status }
}

/** An object, or a list, whose members have numbers for names; `undefined` for anything else. */
function contentOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const json: unknown = JSON.parse(text)
    return typeof json === 'object' && json !== null ? { ...json } : undefined
  } catch {
    return undefined
  }
}
