import { z } from 'zod'
import { parseAllowEntry } from '../egress/allow-entry.ts'
import { parseHost } from '../egress/client-host.ts'
import { identifier } from '../events/identifier.ts'
import { endpointProblem } from '../events/logout-endpoint.ts'
import { subjectClaims, type TokenType, tokenAlgorithms } from '../events/registration.ts'
import type { ClientSettings, IssuerSettings, RetrySettings } from '../issuers/issuer-settings.ts'
import { durationMs, durationText } from '../lib/duration-text.ts'
import { type KnownKeys, type PlacedProblem, schemaProblems, typeProblem } from './document-problems.ts'
import { issuer } from './options.ts'
import { RETRY_ATTEMPTS, RETRY_BASE_DELAY, RETRY_DEADLINE, RETRY_MAX_DELAY } from './retry-limits.ts'

/** What stands for the name of a tenant in a pattern. */
export const TENANT = '{tenant}'

const PROPOSAL_CHARACTERS_MAX = 200
const ATTEMPTS_MESSAGE = `must be a whole number from ${RETRY_ATTEMPTS.min} to ${RETRY_ATTEMPTS.max}`
/** One of zero would be none at all, which is an empty list. */
const DOUBTFUL_DELAY = { minMs: 1, maxMs: RETRY_DEADLINE.maxMs } as const
const TOKEN_LIFETIME = { minMs: 10_000, maxMs: 600_000 } as const
const tokenTypes = ['logout+jwt', 'JWT'] as const satisfies readonly TokenType[]

const issuerOrPattern = identifier.superRefine((text, context) => {
  const problem =
    patternProblem(text) ?? issuer.safeParse(text.replace(TENANT, 'tenant')).error?.issues[0]?.message
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
})
const endpoint = checked(endpointProblem)
const allowEntry = checked((text) => {
  const entry = parseAllowEntry(text)
  // It proposes what to write instead, which is as long as what was written.
  return entry.kind === 'invalid' ? entry.problem.slice(0, PROPOSAL_CHARACTERS_MAX) : undefined
})
const host = z.string().transform((text, context) => {
  const parsed = parseHost(text)
  if (parsed !== undefined) return parsed
  context.addIssue({ code: 'custom', message: 'must be a host without port, or *. and a domain' })
  return z.NEVER
})

const client = z.strictObject({
  clientId: identifier,
  backchannelLogoutUri: endpoint.optional(),
  sessionRequired: z.boolean().optional(),
  alg: z.enum(tokenAlgorithms).optional(),
  typ: z.enum(tokenTypes).optional(),
  claims: z.enum(subjectClaims).optional(),
  hosts: z.array(host).min(1, 'must name at least one; leave it out to allow any').optional(),
})
const keys = z
  .strictObject({ file: identifier.optional(), directory: identifier.optional() })
  .superRefine(({ file, directory }, context) => {
    if (file === undefined && directory === undefined)
      context.addIssue({ code: 'custom', path: ['file'], message: 'is missing' })
    if (file !== undefined && directory !== undefined)
      context.addIssue({ code: 'custom', path: ['directory'], message: 'must not stand beside file' })
  })
const egress = z.strictObject({ allow: z.array(allowEntry).default([]) })
const retry = z
  .strictObject({
    deadline: duration(RETRY_DEADLINE).optional(),
    baseDelay: duration(RETRY_BASE_DELAY).optional(),
    maxDelay: duration(RETRY_MAX_DELAY).optional(),
    maxAttempts: z
      .int(ATTEMPTS_MESSAGE)
      .min(RETRY_ATTEMPTS.min, ATTEMPTS_MESSAGE)
      .max(RETRY_ATTEMPTS.max, ATTEMPTS_MESSAGE)
      .optional(),
    doubtfulDelays: z.array(duration(DOUBTFUL_DELAY)).optional(),
  })
  .superRefine(({ baseDelay, maxDelay }, context) => {
    if (baseDelay === undefined || maxDelay === undefined || baseDelay <= maxDelay) return
    context.addIssue({ code: 'custom', path: ['maxDelay'], message: 'must be at least baseDelay' })
  })
const entry = z.strictObject({
  issuer: issuerOrPattern,
  aliases: z.array(identifier).default([]),
  enabled: z.boolean().default(true),
  keys,
  tokenLifetime: duration(TOKEN_LIFETIME).optional(),
  alg: z.enum(tokenAlgorithms).optional(),
  typ: z.enum(tokenTypes).optional(),
  claims: z.enum(subjectClaims).optional(),
  signedOutWithoutSession: z.enum(['fan-out', 'ignore']).optional(),
  egress: egress.optional(),
  retry: retry.optional(),
  clients: z.array(client).default([]),
})
/** What an issuers file holds. */
export const issuersDocument = z.strictObject({
  issuers: z.array(entry).min(1, 'must name at least one issuer'),
})

const KEYS: KnownKeys = {
  '': Object.keys(issuersDocument.shape),
  issuers: Object.keys(entry.shape),
  keys: Object.keys(keys.shape),
  egress: Object.keys(egress.shape),
  retry: Object.keys(retry.shape),
  clients: Object.keys(client.shape),
}

export type IssuerEntry = z.infer<typeof entry>

export interface ParsedIssuers {
  /** In their places in the list; `undefined` for one that is wrong. */
  readonly entries: readonly (IssuerEntry | undefined)[]
  readonly problems: readonly PlacedProblem[]
}

/** Checks each value of a document by itself; what they may not be together is looked at elsewhere. */
export function parseIssuers(value: unknown): ParsedIssuers {
  const { data, error } = issuersDocument.safeParse(value, { error: typeProblem })
  if (data !== undefined) return { entries: data.issuers, problems: [] }
  const { issuers } = (value ?? {}) as { issuers?: unknown }
  const entries = Array.isArray(issuers) ? issuers.map((it) => entry.safeParse(it).data) : []
  return { entries, problems: (error?.issues ?? []).flatMap((it) => schemaProblems(it, KEYS)) }
}

/** `keysFile` and `keysFolder` are absolute; `place`: file and line. */
export function issuerSettings(
  entry: IssuerEntry,
  { keysFile, keysFolder, place }: Pick<IssuerSettings, 'keysFile' | 'keysFolder' | 'place'>,
): IssuerSettings {
  const { tokenLifetime, alg, typ, claims, signedOutWithoutSession, egress } = entry
  const { deadline, ...retry } = entry.retry ?? {}
  return {
    issuer: entry.issuer,
    aliases: entry.aliases,
    isEnabled: entry.enabled,
    keysFile,
    ...(entry.keys.directory !== undefined && { isKeysDirectory: true }),
    keysFolder,
    ...(tokenLifetime !== undefined && { tokenLifetimeMs: tokenLifetime }),
    ...(alg !== undefined && { alg }),
    ...(typ !== undefined && { typ }),
    ...(claims !== undefined && { claims }),
    ...(signedOutWithoutSession !== undefined && { signedOutWithoutSession }),
    egressAllow: egress?.allow ?? [],
    ...(deadline !== undefined && { deadlineMs: deadline }),
    ...(Object.keys(retry).length > 0 && { retry: retrySettings(retry) }),
    // Keys that are not given are not there, and have no undefined as their value.
    clients: entry.clients as readonly ClientSettings[],
    ...(place !== undefined && { place }),
  }
}

function retrySettings(retry: Omit<NonNullable<IssuerEntry['retry']>, 'deadline'>): RetrySettings {
  const { baseDelay, maxDelay, maxAttempts, doubtfulDelays } = retry
  return {
    ...(baseDelay !== undefined && { baseDelayMs: baseDelay }),
    ...(maxDelay !== undefined && { maxDelayMs: maxDelay }),
    ...(maxAttempts !== undefined && { maxAttempts }),
    ...(doubtfulDelays !== undefined && { doubtfulDelaysMs: doubtfulDelays }),
  }
}

function checked(problemOf: (text: string) => string | undefined) {
  return z.string().superRefine((text, context) => {
    const problem = problemOf(text)
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
  })
}

function duration({ minMs, maxMs }: { readonly minMs: number; readonly maxMs: number }) {
  const message = `must be from ${durationText(minMs)} to ${durationText(maxMs)}, written as 500ms, 120s, 5m, 24h or 7d`
  return z.string(message).transform((text, context) => {
    const ms = durationMs(text)
    if (ms !== undefined && ms >= minMs && ms <= maxMs) return ms
    context.addIssue({ code: 'custom', message })
    return z.NEVER
  })
}

/** What is wrong with `{tenant}` in an issuer. Other braces were meant as the same, and stand in no `iss`. */
function patternProblem(text: string): string | undefined {
  const parts = text.split(TENANT)
  if (parts.some((part) => /[{}]/.test(part))) return `must have no braces but those of ${TENANT}`
  if (parts.length > 2) return `must have ${TENANT} once`
  // Before an @ stands a user, whose name says nothing of where the issuer is.
  const isOfUser = parts.length === 2 && /^https?:\/\/[^/]*@/.test(text)
  return isOfUser ? `must have ${TENANT} in its host or path` : undefined
}
