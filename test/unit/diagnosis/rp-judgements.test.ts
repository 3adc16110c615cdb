import { describe, expect, test } from 'vitest'
import {
  judgeAddress,
  judgeAnswer,
  judgeExpiry,
  judgeHandshake,
} from '../../../src/diagnosis/rp-judgements.ts'
import { judgeRpSettings } from '../../../src/diagnosis/rp-settings.ts'
import { EgressGuard } from '../../../src/egress/egress-guard.ts'

const DAY_MS = 86_400_000

describe('the answer to a request without a token', () => {
  test.each([
    [400, 'ok', 'as it should'],
    [200, 'warning', 'does not validate'],
    [204, 'warning', 'does not validate'],
    [202, 'warning', 'counts as rejected'],
    [301, 'problem', 'redirects'],
    [302, 'problem', 'redirects'],
    [401, 'problem', 'credentials'],
    [403, 'problem', 'credentials'],
    [404, 'problem', 'nothing at this path'],
    [405, 'problem', 'takes no POST'],
    [410, 'problem', 'taken away'],
    [415, 'problem', 'x-www-form-urlencoded'],
    [422, 'warning', 'should answer 400'],
    [429, 'warning', 'limits requests'],
    [500, 'warning', 'fails where it should answer 400'],
    [501, 'problem', 'does not support'],
    [502, 'problem', 'away'],
    [503, 'problem', 'away'],
    [504, 'problem', 'away'],
  ])('%d: %s', (status, is, says) => {
    const judgement = judgeAnswer({ kind: 'answered', status })
    expect(judgement.found).toContain(says)
    expect(judgement.found).toContain(String(status))
    expect(judgement.status).toBe(is)
    expect(judgement.mend === undefined).toBe(is === 'ok')
  })

  test('none is a problem, by what went wrong', () => {
    const none = {
      kind: 'unreachable',
      code: 'LR_ATTEMPT_TIMEOUT',
      message: '',
      staleConnection: false,
    } as const
    expect(judgeAnswer(none)).toMatchObject({ status: 'problem', found: expect.stringContaining('in time') })
    expect(judgeAnswer({ kind: 'blocked', message: 'x' }).status).toBe('problem')
  })
})

describe('an address', () => {
  const guard = new EgressGuard({ allow: ['10.1.0.0/16', 'shop.internal'], allowHttp: false })
  test.each([
    { host: 'shop.example', address: '93.184.215.14', is: 'ok' },
    { host: 'shop.example', address: '10.1.2.3', is: 'ok' },
    { host: 'shop.internal', address: '192.168.7.7', is: 'ok' },
    { host: 'shop.example', address: '192.168.7.7', is: 'problem' },
    { host: 'shop.example', address: '169.254.169.254', is: 'problem' },
    { host: 'shop.internal', address: '169.254.169.254', is: 'problem' },
    { host: '::1', address: '::1', is: 'problem' },
  ])('$address of $host: $is', ({ host, address, is }) => {
    const { status, mend } = judgeAddress(guard, host, address)
    expect(status).toBe(is)
    if (is === 'problem') expect(mend).toContain('EGRESS_ALLOW')
    // No name opens that.
    if (address === '169.254.169.254') expect(mend).not.toContain(host)
  })
})

describe('TLS', () => {
  const certificate = { names: 'DNS:shop.example', authority: 'An Authority', validToMs: 0 }
  const refused = (code: string) =>
    judgeHandshake({
      kind: 'established',
      protocol: 'TLSv1.3',
      certificate,
      refusal: { code, message: code },
    })

  test('that an attempt accepts', () => {
    expect(
      judgeHandshake({ kind: 'established', protocol: 'TLSv1.3', certificate, refusal: undefined }),
    ).toEqual({
      status: 'ok',
      found: 'TLSv1.3, certificate for DNS:shop.example, signed by An Authority',
    })
  })

  test.each([
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'self-signed', 'NODE_EXTRA_CA_CERTS'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'not one that is trusted', 'NODE_EXTRA_CA_CERTS'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'intermediate certificate is missing', 'whole chain'],
    ['CERT_HAS_EXPIRED', 'has expired', 'renew'],
    ['CERT_NOT_YET_VALID', 'not valid yet', 'clocks'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'for other names', 'for the name in the URI'],
    ['SOME_OTHER_CODE', 'SOME_OTHER_CODE', ''],
  ])('%s is a problem that is named', (code, says, advice) => {
    const { status, found, mend } = refused(code)
    expect(status).toBe('problem')
    expect(found).toContain(says)
    expect(found).toContain(code)
    expect(mend).toContain(advice)
  })

  test('none at all is a problem', () => {
    const failed = judgeHandshake({ kind: 'failed', code: 'ERR_SSL_WRONG_VERSION_NUMBER', message: '' })
    expect(failed).toMatchObject({ status: 'problem', found: expect.stringContaining('does not speak TLS') })
  })

  test.each([
    [14, 'ok', '14 days'],
    [13.9, 'warning', '13 days 21 hours'],
    [0, 'problem', 'was valid until'],
    [-1, 'problem', 'was valid until'],
  ])('a certificate that is valid for %d days: %s', (days, is, says) => {
    const { status, found } = judgeExpiry({ ...certificate, validToMs: days * DAY_MS }, 0)
    expect(found).toContain(says)
    expect(status).toBe(is)
  })
})

describe('the settings of an RP in Redis', () => {
  const uri = 'https://shop.example/logout'
  const judge = (settings: Parameters<typeof judgeRpSettings>[2], ...invalid: string[]) =>
    judgeRpSettings('shop', uri, settings, invalid)

  test('none, or some that leave the URI as it is, are fine', () => {
    expect(judge({})).toMatchObject({ status: 'ok', found: expect.stringContaining('no settings') })
    expect(judge({ alg: 'ES256', backchannelLogoutUri: uri })).toMatchObject({
      status: 'ok',
      found: 'shop: alg ES256, backchannelLogoutUri this one',
    })
  })

  test('another URI is warned of, without its query', () => {
    const { status, found } = judge({ backchannelLogoutUri: 'https://old.example/logout?key=abc' })
    expect(status).toBe('warning')
    expect(found).toContain('https://old.example/logout?…')
    expect(found).not.toContain('abc')
  })

  test('wrong ones are a problem', () => {
    expect(judge({}, 'alg: wrong')).toMatchObject({
      status: 'problem',
      found: expect.stringContaining('alg: wrong'),
    })
  })
})
