import { appendFileSync } from 'node:fs'
import { trace } from '@opentelemetry/api'
import { BasicTracerProvider, type ReadableSpan, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'

/** A span as this module writes it, one JSON line each. */
export interface RecordedSpan {
  readonly name: string
  readonly kind: number
  readonly traceId: string
  readonly spanId: string
  readonly tracestate: string | undefined
  readonly parentSpanId: string | undefined
  readonly status: number
  readonly attributes: Readonly<Record<string, unknown>>
  readonly scope: { readonly name: string; readonly version?: string | undefined }
}

/*
 * What an operator's SDK does, for `node --import`: registers a tracer provider before the relay starts. Spans go to
 * the file that SPANS_FILE names.
 */
const file = process.env.SPANS_FILE
if (file !== undefined) {
  const exporter = {
    export(spans: ReadableSpan[], done: (result: { code: 0 }) => void): void {
      for (const span of spans) appendFileSync(file, `${JSON.stringify(recorded(span))}\n`)
      done({ code: 0 })
    },
    shutdown: () => Promise.resolve(),
  }
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
  )
}

function recorded(span: ReadableSpan): RecordedSpan {
  const { traceId, spanId, traceState } = span.spanContext()
  return {
    name: span.name,
    kind: span.kind,
    traceId,
    spanId,
    tracestate: traceState?.serialize(),
    parentSpanId: span.parentSpanContext?.spanId,
    status: span.status.code,
    attributes: span.attributes,
    scope: span.instrumentationScope,
  }
}
