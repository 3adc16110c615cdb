import { randomUUID } from 'node:crypto'

export const inputFormats = ['cloudevents-binary', 'cloudevents-structured', 'plain-json'] as const
export type InputFormat = (typeof inputFormats)[number]

export interface InputRecord {
  readonly key: string
  readonly value: string
  readonly headers: Record<string, string>
}

export interface InputOptions {
  readonly format?: InputFormat
  readonly id?: string
  /** RFC 3339. */
  readonly time?: string
  readonly traceparent?: string
  readonly tracestate?: string
}

/** A record as an identity platform writes it, keyed by the session, or by the user where there is none. */
export function inputRecord(
  type: 'session-terminated' | 'user-signed-out' | 'backchannel-logout-registered' | (string & {}),
  data: Readonly<Record<string, unknown>>,
  { format = 'cloudevents-binary', id = randomUUID(), time, traceparent, tracestate }: InputOptions = {},
): InputRecord {
  const key = String(data.sessionId ?? data.userId ?? data.clientId)
  const when = time === undefined ? {} : { time }
  const trace: Record<string, string> = {
    ...(traceparent !== undefined && { traceparent }),
    ...(tracestate !== undefined && { tracestate }),
  }
  switch (format) {
    case 'cloudevents-binary': {
      const prefixed = Object.entries({ specversion: '1.0', source: '/sessions', id, type, ...when })
      const attributes = Object.fromEntries(prefixed.map(([name, value]) => [`ce_${name}`, value]))
      const headers = { ...attributes, ...trace, 'content-type': 'application/json' }
      return { key, value: JSON.stringify(data), headers }
    }
    case 'cloudevents-structured': {
      const event = { specversion: '1.0', source: '/sessions', id, type, ...when, ...trace, data }
      const headers = { 'content-type': 'Application/CloudEvents+JSON; charset=utf-8' }
      return { key, value: JSON.stringify(event), headers }
    }
    case 'plain-json':
      return { key, value: JSON.stringify({ type, id, ...when, ...data }), headers: trace }
    default:
      return format satisfies never
  }
}
