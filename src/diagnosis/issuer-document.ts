import type { DocumentAnswer } from '../egress/fetch-document.ts'
import { type Judgement, problem } from './judgement.ts'
import { networkFault } from './network-fault.ts'
import { shownUri } from './shown-uri.ts'

export type DocumentContent =
  | { readonly kind: 'read'; readonly content: Readonly<Record<string, unknown>> }
  | { readonly kind: 'unusable'; readonly judgement: Judgement }

/** The JSON object that was published at a URI, or what is wrong with the answer. */
export function contentOf(uri: string, answer: DocumentAnswer): DocumentContent {
  const shown = shownUri(uri)
  const unusable = (found: string, mend: string): DocumentContent => ({
    kind: 'unusable',
    judgement: problem(`${shown}: ${found}`, mend),
  })
  if (answer.kind === 'unreachable') {
    const { what, mend } = networkFault(answer.code, answer.message)
    return unusable(what, mend)
  }
  if (answer.status >= 300 && answer.status < 400) {
    return unusable(
      `it redirects (${answer.status}), which many RPs do not follow`,
      'let it answer itself, with 200',
    )
  }
  if (answer.status !== 200) {
    return unusable(
      `the answer is ${answer.status}`,
      'see whether ISSUER is right, and why the provider answers so',
    )
  }
  try {
    const content: unknown = JSON.parse(answer.text)
    if (typeof content === 'object' && content !== null && !Array.isArray(content)) {
      return { kind: 'read', content: content as Record<string, unknown> }
    }
  } catch {
    // Said below.
  }
  return unusable('the answer is not a JSON object', 'see what is served there')
}
