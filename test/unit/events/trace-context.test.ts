import { describe, expect, test } from 'vitest'
import { readTraceContext } from '../../../src/events/trace-context.ts'

const IDS = '0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331'
const TRACEPARENT = `00-${IDS}-01`

describe('trace context', () => {
  test.each([
    ['the version of today', TRACEPARENT, TRACEPARENT],
    ['not sampled', `00-${IDS}-00`, `00-${IDS}-00`],
    ['a later version, with more than is known', `01-${IDS}-03-what-comes`, TRACEPARENT],
    ['a later version', `cc-${IDS}-02`, `00-${IDS}-00`],
  ])('%s is handed on', (_, given, wanted) => {
    expect(readTraceContext(given, undefined)).toEqual({ traceparent: wanted })
  })

  test.each([
    ['the forbidden version', `ff-${IDS}-01`],
    ['a trace id of zeros', `00-${'0'.repeat(32)}-b7ad6b7169203331-01`],
    ['a span id of zeros', `00-0af7651916cd43dd8448eb211c80319c-${'0'.repeat(16)}-01`],
    ['more than this version has', `${TRACEPARENT}-more`],
    ['capital letters', TRACEPARENT.toUpperCase()],
    ['a further line', `${TRACEPARENT}\r\nx: y`],
    ['something else', 'hello'],
    ['nothing', ''],
  ])('%s is dropped, and its state with it', (_, given) => {
    expect(readTraceContext(given, 'vendor=1')).toEqual({})
  })

  test.each([
    ['vendor=1', 'vendor=1'],
    [' vendor=a b \t,, t1@other=x:y ,', 'vendor=a b,t1@other=x:y'],
  ])('the state %j is handed on as %j', (given, wanted) => {
    expect(readTraceContext(TRACEPARENT, given)).toEqual({ traceparent: TRACEPARENT, tracestate: wanted })
  })

  test.each([
    ['empty', ' , '],
    ['without a value', 'vendor'],
    ['with a key in capitals', 'Vendor=1'],
    ['with a key twice', 'a=1,a=2'],
    ['with a control character', 'a=\n1'],
    ['with a sign from elsewhere', 'a=ü'],
    ['with too many members', Array.from({ length: 33 }, (_, i) => `k${i}=1`).join(',')],
    ['too long', `a=${'x'.repeat(255)},b=${'x'.repeat(255)}`],
  ])('a state that is %s is dropped alone', (_, given) => {
    expect(readTraceContext(TRACEPARENT, given)).toEqual({ traceparent: TRACEPARENT })
  })
})
