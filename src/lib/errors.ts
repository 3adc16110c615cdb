/** Codes of the faults that this service throws on purpose. Codes are stable, messages are not. */
export type FaultCode =
  | 'LR_CONFIG_INVALID'
  | 'LR_ISSUERS_INVALID'
  | 'LR_MAPPING_INVALID'
  | 'LR_INTAKE_INVALID'
  | 'LR_KEYS_INVALID'
  | 'LR_KEY_MISSING'
  | 'LR_EGRESS_BLOCKED'
  /** An attempt could not start for a local reason. It says nothing about the RP. */
  | 'LR_LOCAL'
  | 'LR_ATTEMPT_TIMEOUT'
  | 'LR_ANSWER_INVALID'
  | 'LR_ANSWER_TOO_LONG'
  | 'LR_BODY_TOO_LONG'
  | 'LR_PUBLISH_INCOMPLETE'
  | 'LR_RECORD_LOST'
  | 'LR_RECORD_TOO_LARGE'
  | 'LR_TOPIC_MISSING'
  | 'LR_REFUSED'
  | 'LR_REGISTRY_LOST'
  | 'LR_UNAVAILABLE'
  | 'LR_UNREACHABLE'
  | 'LR_USAGE'
  | 'LR_STOPPED'
  /** A reader of the log has forgotten to look the schema of a record up. */
  | 'LR_NOT_PREPARED'

/** A fault: something the caller could not have expected as a normal outcome of the operation. */
export class RelayFault extends Error {
  readonly code: FaultCode

  constructor(code: FaultCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'RelayFault'
    this.code = code
  }
}

/** The text of whatever was thrown, for a log line or an outcome's `lastError`. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The `code` of whatever was thrown (Node, undici and this service all use that property), or `undefined`. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' ? code : undefined
}
