import { describe, expect, test } from 'vitest'
import { isHost, parseClientHost } from '../../../src/egress/client-host.ts'

describe('an entry of CLIENT_HOSTS', () => {
  test.each([
    ['shop=rp.example', { clientId: 'shop', host: 'rp.example' }],
    ['shop=RP.Example.', { clientId: 'shop', host: 'rp.example' }],
    ['shop=*.rp.example', { clientId: 'shop', host: '*.rp.example' }],
    ['https://shop.example/?a=b=rp.example', { clientId: 'https://shop.example/?a=b', host: 'rp.example' }],
    ['shop=192.0.2.7', { clientId: 'shop', host: '192.0.2.7' }],
    ['shop=[2001:db8::7]', { clientId: 'shop', host: '[2001:db8::7]' }],
  ])('%s', (entry, expected) => {
    expect(parseClientHost(entry)).toEqual(expected)
  })

  test.each([
    ...['shop', '=rp.example', 'shop=', 'shop=*', 'shop=*.', 'shop=https://rp.example', 'shop=rp.example/l'],
    ...[
      'shop=rp.example:8443',
      'shop=a b',
      'shop=127.1',
      'shop=0x7f000001',
      'shop=user@rp.example',
      'shop=bücher.example',
    ],
  ])('%s is refused: it would allow something else than it seems to', (entry) => {
    expect(parseClientHost(entry)).toBeUndefined()
  })

  test.each([
    ['rp.example', 'rp.example', true],
    ['rp.example', 'rp.example.', true],
    ['rp.example', 'eu.rp.example', false],
    ['*.rp.example', 'eu.rp.example', true],
    ['*.rp.example', 'a.eu.rp.example', true],
    ['*.rp.example', 'rp.example', false],
    ['*.rp.example', 'evilrp.example', false],
  ])('%s and the host %s: %s', (host, hostname, is) => {
    expect(isHost({ clientId: 'shop', host }, hostname)).toBe(is)
  })
})
