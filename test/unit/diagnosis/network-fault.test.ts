import { describe, expect, test } from 'vitest'
import { networkFault, tlsRefusal } from '../../../src/diagnosis/network-fault.ts'
import { explainRefusal as explainedByKafka } from '../../../src/kafka/kafka-refusal.ts'
import { explainRefusal as explainedByRedis } from '../../../src/redis/redis-refusal.ts'

const names = { ca: 'THE_CA', cert: 'THE_CERT' }

describe('a TLS connection that did not come about says why', () => {
  test.each([
    ['DEPTH_ZERO_SELF_SIGNED_CERT', '', /not trusted.*THE_CA/],
    ['SELF_SIGNED_CERT_IN_CHAIN', '', /not trusted.*THE_CA/],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', '', /not trusted.*THE_CA/],
    ['CERT_HAS_EXPIRED', '', /expired/],
    ['CERT_NOT_YET_VALID', '', /clocks/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', '', /other names/],
    ['ERR_SSL_WRONG_VERSION_NUMBER', '', /does not speak TLS/],
    ['EPROTO', 'ssl3_get_record:wrong version number', /does not speak TLS/],
    ['ERR_SSL_X', 'ssl/tls alert certificate required', /client certificate.*THE_CERT/],
    ['ERR_SSL_X', 'ssl/tls alert bad certificate', /client certificate.*THE_CERT/],
    ['ERR_SSL_X', 'tlsv1 alert unknown ca', /client certificate.*THE_CERT/],
    ['ERR_OSSL_X', 'key values mismatch', /key does not belong.*THE_CERT/],
  ])('%s %s', (code, message, text) => {
    expect(tlsRefusal(Object.assign(new Error(message), { code }), names)).toMatch(text)
  })

  test('an RP that wants a client certificate is not sent to an option that there is none of', () => {
    const { what, remedy } = networkFault('ERR_SSL_X', 'ssl/tls alert certificate required')
    expect(what).toContain('a client certificate')
    expect(remedy).toContain('ask for none')
  })

  test('what has nothing to do with TLS is left alone', () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
    expect(tlsRefusal(refused, names)).toBeUndefined()
    expect(explainedByKafka(refused, 'Read')).toBe(refused)
    expect(explainedByRedis(refused)).toBe(refused)
  })
})

test('what Kafka refuses is found beneath what kafkajs wraps it in', () => {
  const inner = Object.assign(new Error('Not authorized'), { type: 'TOPIC_AUTHORIZATION_FAILED' })
  const outer = Object.assign(new Error('retries exceeded'), {
    originalError: new Error('x', { cause: inner }),
  })
  expect(explainedByKafka(outer, 'Write on topic a')).toMatchObject({
    code: 'LR_REFUSED',
    message: expect.stringMatching(/TOPIC_AUTHORIZATION_FAILED.*grant Write on topic a/),
  })
})
