import type { PipelineIssuers } from '../../src/intake/pipeline.ts'
import { ISSUER } from './sample-registration.ts'

/** A relay that serves one issuer, or more. */
export function servedIssuer(
  settings: Partial<NonNullable<ReturnType<PipelineIssuers['get']>>> = {},
  issuers: readonly string[] = [ISSUER],
): PipelineIssuers {
  const served = {
    isEnabled: true,
    signedOutWithoutSession: 'fan-out' as const,
    deadlineMs: 3_600_000,
    ...settings,
  }
  return { get: (issuer) => (issuers.includes(issuer) ? served : undefined) }
}
