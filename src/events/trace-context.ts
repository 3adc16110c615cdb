/** W3C Trace Context: both header values, valid or absent. */
export interface TraceContext {
  readonly traceparent?: string
  readonly tracestate?: string
}

const MEMBERS_MAX = 32
const STATE_CHARACTERS_MAX = 512
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
/** §3.3.1.3: a simple or multi-tenant key, and a value without commas and equal signs. */
const MEMBER =
  /^([a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/

/** Empty without a valid `traceparent`: any other value would be an arbitrary header toward the RP. */
export function readTraceContext(
  traceparent: string | undefined,
  tracestate: string | undefined,
): TraceContext {
  const parent = traceparent === undefined ? undefined : validParent(traceparent)
  if (parent === undefined) return {}
  const state = tracestate === undefined ? undefined : validState(tracestate)
  return { traceparent: parent, ...(state !== undefined && { tracestate: state }) }
}

/** W3C Trace Context §3.2. Drops the fields of later versions, as §4.1 demands. */
function validParent(text: string): string | undefined {
  const [, version, traceId = '', spanId = '', flags = '', rest] = TRACEPARENT.exec(text) ?? []
  if (version === undefined || version === 'ff' || /^0+$/.test(traceId) || /^0+$/.test(spanId))
    return undefined
  if (version === '00') return rest === undefined ? text : undefined
  return `00-${traceId}-${spanId}-${(Number.parseInt(flags, 16) & 1) === 1 ? '01' : '00'}`
}

/** §3.3. An invalid state is dropped as a whole. */
function validState(text: string): string | undefined {
  if (text.length > STATE_CHARACTERS_MAX) return undefined
  const members = text
    .split(',')
    .map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ''))
    .filter((member) => member !== '')
  const keys = new Set(members.map((member) => member.slice(0, member.indexOf('='))))
  const isValid = members.length <= MEMBERS_MAX && keys.size === members.length && members.every(isMember)
  return isValid && members.length > 0 ? members.join(',') : undefined
}

function isMember(member: string): boolean {
  return MEMBER.test(member)
}
