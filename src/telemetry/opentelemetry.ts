import type { SpanContext, Tracer, TracerProvider } from '@opentelemetry/api'
import type { Delivery } from '../delivery/delivery.ts'
import type { AttemptSpan, DeliveryTracing, TriggerSpan } from '../delivery/delivery-tracing.ts'
import type { LogoutEndpoint } from '../events/logout-endpoint.ts'
import type { TraceContext } from '../events/trace-context.ts'
import type { Trigger } from '../events/trigger.ts'

type Api = typeof import('@opentelemetry/api')

/** Where an SDK, whichever copy of the API it has, leaves its providers. */
const REGISTERED = Symbol.for('opentelemetry.js.api.1')

export interface Tracing extends DeliveryTracing {
  /** Hands on what is still held; for the end of the process. Never throws. */
  flush(): Promise<void>
}

/**
 * Spans of triggers and attempts, if a tracer provider was registered before the relay, as `node --import` of an SDK
 * does; else `undefined`, and not even the API is loaded. Looked up once: a provider that comes later is not seen.
 */
export async function openTracing(version: string): Promise<Tracing | undefined> {
  if ((globalThis as Record<symbol, unknown>)[REGISTERED] === undefined) return undefined
  const api = await import('@opentelemetry/api')
  const { ProxyTracerProvider, trace } = api
  const provider = delegateOf(trace.getTracerProvider())
  // Without a provider the API answers with one that does nothing, always the same.
  if (provider === new ProxyTracerProvider().getDelegate()) return undefined
  return new OpenTelemetryTracing(api, provider, provider.getTracer('logout-relay', version))

  function delegateOf(it: TracerProvider): TracerProvider {
    return it instanceof ProxyTracerProvider ? it.getDelegate() : it
  }
}

class OpenTelemetryTracing implements Tracing {
  readonly #api: Api
  readonly #provider: TracerProvider
  readonly #tracer: Tracer

  constructor(api: Api, provider: TracerProvider, tracer: Tracer) {
    this.#api = api
    this.#provider = provider
    this.#tracer = tracer
  }

  /** Semantic conventions for messaging: a record that is processed. No session and no user is named. */
  resolving({ origin, type, traceparent, tracestate }: Trigger, startedAtMs: number): TriggerSpan {
    const span = this.#tracer.startSpan(
      `process ${origin.topic}`,
      {
        kind: this.#api.SpanKind.CONSUMER,
        startTime: startedAtMs,
        attributes: {
          'messaging.system': 'kafka',
          'messaging.operation.name': 'process',
          'messaging.operation.type': 'process',
          'messaging.destination.name': origin.topic,
          'messaging.destination.partition.id': String(origin.partition),
          'messaging.kafka.offset': origin.offset,
          'logout_relay.trigger.type': type,
        },
      },
      this.#parent({ traceparent, tracestate } as TraceContext),
    )
    return {
      context: contextOf(span.spanContext()),
      end: (owed) => span.setAttribute('logout_relay.deliveries', owed).end(),
    }
  }

  /** Semantic conventions for HTTP clients. The query of the URI may hold a secret of the RP. */
  attempting({ rp, cause, attempts }: Delivery, { origin, path }: LogoutEndpoint): AttemptSpan {
    const { protocol, hostname, port } = new URL(origin)
    const span = this.#tracer.startSpan(
      'POST',
      {
        kind: this.#api.SpanKind.CLIENT,
        attributes: {
          'http.request.method': 'POST',
          'server.address': hostname,
          'server.port': Number(port) || (protocol === 'https:' ? 443 : 80),
          'url.full': `${origin}${path.split('?', 1)[0]}`,
          ...(attempts > 0 && { 'http.request.resend_count': attempts }),
          'logout_relay.client_id': rp.clientId,
          'logout_relay.issuer': rp.issuer,
        },
      },
      this.#parent(cause),
    )
    return {
      context: contextOf(span.spanContext()),
      end: (result, verdict) => {
        span.setAttribute('logout_relay.verdict', verdict)
        if (result.kind === 'answered') span.setAttribute('http.response.status_code', result.status)
        const error = errorTypeOf(result)
        if (error !== undefined) {
          span.setAttribute('error.type', error).setStatus({ code: this.#api.SpanStatusCode.ERROR })
        }
        span.end()
      },
    }
  }

  async flush(): Promise<void> {
    const { forceFlush } = this.#provider as { forceFlush?: () => Promise<void> }
    await forceFlush?.call(this.#provider).catch(() => undefined)
  }

  #parent({ traceparent, tracestate }: TraceContext) {
    const { ROOT_CONTEXT, createTraceState, trace } = this.#api
    if (traceparent === undefined) return ROOT_CONTEXT
    const [, traceId = '', spanId = '', flags = '00'] = traceparent.split('-')
    return trace.setSpanContext(ROOT_CONTEXT, {
      traceId,
      spanId,
      traceFlags: Number.parseInt(flags, 16),
      isRemote: true,
      ...(tracestate !== undefined && { traceState: createTraceState(tracestate) }),
    })
  }
}

/** As the specification has it in headers. */
function contextOf({ traceId, spanId, traceFlags, traceState }: SpanContext): TraceContext {
  const flags = (traceFlags & 0xff).toString(16).padStart(2, '0')
  const tracestate = traceState?.serialize()
  return { traceparent: `00-${traceId}-${spanId}-${flags}`, ...(tracestate && { tracestate }) }
}

function errorTypeOf(result: Parameters<AttemptSpan['end']>[0]): string | undefined {
  switch (result.kind) {
    case 'answered':
      return result.status >= 400 ? String(result.status) : undefined
    case 'unreachable':
      return result.code
    case 'blocked':
      return 'blocked'
    default:
      return result satisfies never
  }
}
