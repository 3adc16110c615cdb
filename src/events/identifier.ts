import { z } from 'zod'

/** Without control characters, line separators and half of a surrogate pair. */
export const ID_PATTERN = /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]*$/u

/**
 * Ids and issuers are opaque. They are bounded because each becomes part of a Redis key and of a token. They hold no control
 * characters or line breaks, which could forge a line of the log or of a tombstone.
 */
export const identifier = z
  .string()
  .min(1, 'must not be empty')
  .max(1_024, 'must have at most 1,024 characters')
  .regex(ID_PATTERN, 'must not contain control characters, line separators or half of a surrogate pair')

/** For the schemas that are shown. */
export const ISSUER_MEANING =
  '`iss` of the ID tokens, byte for byte, or an alias of it. Required where the relay serves several issuers.'

/** An optional field. Some platforms write an empty text or null for a missing value. */
export function optional<T extends z.ZodType>(schema: T) {
  return z.preprocess((value) => (value === '' || value === null ? undefined : value), schema.optional())
}

/** One line that names each invalid field and its problem. Never quotes a value. */
export function describeProblems(error: z.ZodError): string {
  return error.issues
    .map((issue) => `${issue.path.length > 0 ? issue.path.join('.') : 'value'}: ${problemOf(issue)}`)
    .join('; ')
}

/** In the words of whoever writes records. */
function problemOf(issue: z.core.$ZodIssue): string {
  if (issue.code !== 'invalid_type') return issue.message
  return issue.message.endsWith('received undefined') ? 'is missing' : `must be a ${issue.expected}`
}
