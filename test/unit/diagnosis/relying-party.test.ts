import { describe, expect, test } from 'vitest'
import {
  checkAddress,
  checkAnswer,
  checkExpiry,
  checkHandshake,
  checkRpSettings,
} from '../../../src/diagnosis/relying-party.ts'
import { EgressGuard } from '../../../src/egress/egress-guard.ts'

const DAY_MS = 86_400_000

describe('the answer to a request without a token', () => {
  test.each([
    [400, 'ok', '400'],
    [200, 'warning', 'does not validate'],
    [204, 'warning', 'does not validate'],
    [202, 'warning', 'rejected'],
    [301, 'error', 'redirects'],
    [302, 'error', 'redirects'],
    [401, 'error', 'credentials'],
    [403, 'error', 'credentials'],
    [404, 'error', 'at this path'],
    [405, 'error', 'no POST'],
    [410, 'error', 'removed'],
    [415, 'error', 'x-www-form-urlencoded'],
    [422, 'warning', 'should answer 400'],
    [429, 'warning', 'limits requests'],
    [500, 'warning', 'should answer 400'],
    [501, 'error', 'does not support'],
    [502, 'error', 'proxy'],
    [503, 'error', 'proxy'],
    [504, 'error', 'proxy'],
  ])('%d: %s', (status, is, says) => {
    const found = checkAnswer({ kind: 'answered', status })
    expect(found.text).toContain(says)
    expect(found.text).toContain(String(status))
    expect(found.severity).toBe(is)
    expect(found.remedy === undefined).toBe(is === 'ok')
  })

  test('none is an error, by what went wrong', () => {
    const none = {
      kind: 'unreachable',
      code: 'LR_ATTEMPT_TIMEOUT',
      message: '',
      staleConnection: false,
    } as const
    expect(checkAnswer(none)).toMatchObject({ severity: 'error', text: expect.stringContaining('in time') })
    expect(checkAnswer({ kind: 'blocked', message: 'x' }).severity).toBe('error')
  })
})

describe('an address', () => {
  const guard = new EgressGuard({ allow: ['10.1.0.0/16', 'shop.internal'], allowHttp: false })
  test.each([
    { host: 'shop.example', address: '93.184.215.14', is: 'ok' },
    { host: 'shop.example', address: '10.1.2.3', is: 'ok' },
    { host: 'shop.internal', address: '192.168.7.7', is: 'ok' },
    { host: 'shop.example', address: '192.168.7.7', is: 'error' },
    { host: 'shop.example', address: '169.254.169.254', is: 'error' },
    { host: 'shop.internal', address: '169.254.169.254', is: 'error' },
    { host: '::1', address: '::1', is: 'error' },
  ])('$address of $host: $is', ({ host, address, is }) => {
    const { severity, remedy } = checkAddress(guard, host, address)
    expect(severity).toBe(is)
    if (is === 'error') expect(remedy).toContain('EGRESS_ALLOW')
    // No name opens that.
    if (address === '169.254.169.254') expect(remedy).not.toContain(host)
  })
})

describe('TLS', () => {
  const certificate = { names: 'DNS:shop.example', authority: 'An Authority', validToMs: 0 }
  const refused = (code: string) =>
    checkHandshake({
      kind: 'established',
      protocol: 'TLSv1.3',
      certificate,
      refusal: { code, message: code },
    })

  test('that an attempt accepts', () => {
    expect(
      checkHandshake({ kind: 'established', protocol: 'TLSv1.3', certificate, refusal: undefined }),
    ).toEqual({
      severity: 'ok',
      text: 'TLSv1.3, certificate for DNS:shop.example, signed by An Authority',
    })
  })

  test.each([
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'self-signed', 'NODE_EXTRA_CA_CERTS'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'authority is not known here', 'NODE_EXTRA_CA_CERTS'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'intermediate certificate is missing', 'whole chain'],
    ['CERT_HAS_EXPIRED', 'has expired', 'renew'],
    ['CERT_NOT_YET_VALID', 'not valid yet', 'clocks'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'for other names', 'a certificate for this one'],
    ['SOME_OTHER_CODE', 'SOME_OTHER_CODE', ''],
  ])('%s is an error that is named', (code, says, advice) => {
    const { severity, text, remedy } = refused(code)
    expect(severity).toBe('error')
    expect(text).toContain(says)
    expect(text).toContain(code)
    expect(remedy).toContain(advice)
  })

  test('none at all is an error', () => {
    const failed = checkHandshake({ kind: 'failed', code: 'ERR_SSL_WRONG_VERSION_NUMBER', message: '' })
    expect(failed).toMatchObject({ severity: 'error', text: expect.stringContaining('does not speak TLS') })
  })

  test.each([
    [14, 'ok', '14 days'],
    [13.9, 'warning', '13 days 21 hours'],
    [0, 'error', 'was valid until'],
    [-1, 'error', 'was valid until'],
  ])('a certificate that is valid for %d days: %s', (days, is, says) => {
    const { severity, text } = checkExpiry({ ...certificate, validToMs: days * DAY_MS }, 0)
    expect(text).toContain(says)
    expect(severity).toBe(is)
  })
})

describe('the settings of an RP in Redis', () => {
  const uri = 'https://shop.example/logout'
  const check = (settings: Parameters<typeof checkRpSettings>[2], ...invalid: string[]) =>
    checkRpSettings('shop', uri, settings, invalid)

  test('none, or some that leave the URI as it is, are fine', () => {
    expect(check({})).toMatchObject({ severity: 'ok', text: expect.stringContaining('no settings') })
    expect(check({ alg: 'ES256', backchannelLogoutUri: uri })).toMatchObject({
      severity: 'ok',
      text: 'shop: alg ES256, backchannelLogoutUri this one',
    })
  })

  test('another URI is warned of, without its query', () => {
    const { severity, text } = check({ backchannelLogoutUri: 'https://old.example/logout?key=abc' })
    expect(severity).toBe('warning')
    expect(text).toContain('https://old.example/logout?…')
    expect(text).not.toContain('abc')
  })

  test('wrong ones are an error', () => {
    expect(check({}, 'alg: wrong')).toMatchObject({
      severity: 'error',
      text: expect.stringContaining('alg: wrong'),
    })
  })
})
