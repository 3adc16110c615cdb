import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { allowEntryProblem, parseAllowEntry } from '../../../src/egress/allow-entry.ts'
import { EgressGuard } from '../../../src/egress/egress-guard.ts'
import { codeOf } from '../../../src/lib/errors.ts'

const closed = new EgressGuard({ allowHttp: false, allow: [] })

/** The code of the error that `check` throws, or `undefined` when it passes. */
function refusal(check: () => void): string | undefined {
  try {
    check()
    return undefined
  } catch (error) {
    return codeOf(error) ?? 'a fault without a code'
  }
}

/** The address of a URL's host, as `net.connect` would get it. */
function hostOf(host: string): string {
  return new URL(`https://${host}/`).hostname.replace(/^\[|\]$/g, '')
}

const forbidden: Record<string, readonly string[]> = {
  loopback: [
    '127.0.0.1',
    '127.1',
    '127.0.1',
    '0177.0.0.1',
    '0x7f.0.0.1',
    '0x7f000001',
    '2130706433',
    '017700000001',
    '127.255.255.254',
    '127.0.0.1.',
    '%31%32%37.0.0.1',
    '１２７。０。０。１',
    '[::1]',
    '[0:0:0:0:0:0:0:1]',
    '[0000:0000:0000:0000:0000:0000:0000:0001]',
  ],
  'this host': ['0.0.0.0', '0', '0x0', '0.1.2.3', '[::]', '[::0]'],
  private: [
    '10.0.0.1',
    '10.255.255.255',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.0.1',
    '0xc0a80001',
    '3232235521',
  ],
  'link-local and metadata': [
    '169.254.169.254',
    '169.254.0.1',
    '0xa9fea9fe',
    '2852039166',
    '0251.0376.0251.0376',
    '[fe80::1]',
    '[febf::1]',
    '[fd00:ec2::254]',
  ],
  'metadata at a public address': ['168.63.129.16', '0xa83f8110', '[::ffff:168.63.129.16]'],
  'carrier-grade NAT': ['100.64.0.1', '100.100.100.200', '100.127.255.255'],
  multicast: ['224.0.0.1', '239.255.255.255', '[ff02::1]', '[ff0e::1]'],
  'broadcast and reserved': [
    '255.255.255.255',
    '0xffffffff',
    '240.0.0.1',
    '192.0.0.1',
    '192.0.2.1',
    '198.18.0.1',
    '198.19.255.255',
    '198.51.100.1',
    '203.0.113.1',
    '192.88.99.1',
    '[2001:db8::1]',
    '[100::1]',
  ],
  'unique local and site-local': ['[fc00::1]', '[fd12:3456:789a::1]', '[fdff::1]', '[fec0::1]'],
  'v4-mapped': [
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[::ffff:10.0.0.1]',
    '[0:0:0:0:0:ffff:a9fe:a9fe]',
    '[::ffff:8.8.8.8]',
  ],
  'v4-translated': ['[::ffff:0:127.0.0.1]'],
  'v4-compatible': ['[::127.0.0.1]', '[::7f00:1]', '[::a9fe:a9fe]'],
  'NAT64 for what is not public': [
    '[64:ff9b::127.0.0.1]',
    '[64:ff9b::10.0.0.1]',
    '[64:ff9b::100.64.0.1]',
    '[64:ff9b::224.0.0.1]',
    '[64:ff9b::a9fe:a9fe]',
    '[64:ff9b::168.63.129.16]',
    '[64:ff9b:1::7f00:1]',
    '[64:ff9b:1::8.8.8.8]',
    '[64:ff9b:0:1::8.8.8.8]',
  ],
  ISATAP: ['[2606:4700::5efe:8.8.8.8]', '[2606:4700::200:5efe:7f00:1]', '[::5efe:10.0.0.1]'],
  'IPv6 that is not given out': [
    '[1::1]',
    '[4000::1]',
    '[8000::1]',
    '[e000::1]',
    '[2001:50::1]',
    '[5f00::1]',
    '[3fff::1]',
  ],
  '6to4 and Teredo': [
    '[2002:7f00:1::]',
    '[2002:a00:1::1]',
    '[2002:808:808::1]',
    '[2001::1]',
    '[2001:0:7f00:1::]',
  ],
}

const published = [
  '8.8.8.8',
  '1.1.1.1',
  '93.184.216.34',
  '172.15.0.1',
  '172.32.0.1',
  '100.63.255.255',
  '100.128.0.1',
  '[2606:4700::1111]',
  '[2a00:1450:4001::200e]',
  // An IPv4 address behind NAT64, as name servers of an IPv6-only network return it.
  '[64:ff9b::8.8.8.8]',
  '[64:ff9b::5db8:d822]',
]

describe('egress guard, addresses', () => {
  for (const [range, hosts] of Object.entries(forbidden)) {
    test.each(hosts)(`refuses ${range}: %s`, (host) => {
      expect(refusal(() => closed.checkAddress(hostOf(host)))).toBe('LR_EGRESS_BLOCKED')
    })
  }

  test.each(published)('lets the public address %s pass', (host) => {
    expect(refusal(() => closed.checkAddress(hostOf(host)))).toBeUndefined()
  })

  test('refuses what is no address', () => {
    for (const text of ['', 'localhost', 'rp.example', '1.2.3.4.5', 'fe80::1%']) {
      expect(refusal(() => closed.checkAddress(text))).toBe('LR_EGRESS_BLOCKED')
    }
  })

  test('refuses a zoned link-local address', () => {
    expect(refusal(() => closed.checkAddress('fe80::1%eth0'))).toBe('LR_EGRESS_BLOCKED')
  })

  test('no spelling of a number changes the answer', () => {
    fc.assert(
      fc.property(fc.nat(0xffff_ffff), (number) => {
        const bytes = [24, 16, 8, 0].map((shift) => (number >>> shift) & 255)
        const spellings = [
          bytes.join('.'),
          String(number),
          `0x${number.toString(16)}`,
          bytes.map((byte) => `0${byte.toString(8)}`).join('.'),
          `${bytes[0]}.${bytes[1]}.${number & 0xffff}`,
        ]
        const answers = new Set(spellings.map((host) => refusal(() => closed.checkAddress(hostOf(host)))))
        expect(answers.size).toBe(1)
        const hex = (high: number, low: number) =>
          (((bytes[high] ?? 0) << 8) | (bytes[low] ?? 0)).toString(16)
        const embedded = `${hex(0, 1)}:${hex(2, 3)}`
        for (const prefix of ['::ffff:', '64:ff9b:1::', '::ffff:0:', '2606:4700::5efe:']) {
          expect(refusal(() => closed.checkAddress(`${prefix}${embedded}`))).toBe('LR_EGRESS_BLOCKED')
        }
        expect(refusal(() => closed.checkAddress(`64:ff9b::${embedded}`))).toBe([...answers][0])
        expect(refusal(() => closed.checkAddress(`2002:${embedded}::1`))).toBe('LR_EGRESS_BLOCKED')
      }),
    )
  })
})

describe('egress guard, what the operator allowed', () => {
  const guard = new EgressGuard({
    allowHttp: true,
    allow: ['10.1.0.0/16', '192.168.7.7', 'fd00:1::/32', 'Internal.Example', '::1', '127.0.0.1'],
  })

  test.each([
    ['10.1.0.1', true],
    ['10.1.255.255', true],
    ['10.2.0.1', false],
    ['192.168.7.7', true],
    ['192.168.7.8', false],
    ['fd00:1::5', true],
    ['fd00:2::5', false],
    ['::1', true],
    ['127.0.0.1', true],
    ['127.0.0.2', false],
  ])('%s passes: %s', (address, passes) => {
    expect(refusal(() => guard.checkAddress(address)) === undefined).toBe(passes)
  })

  test('an allowed IPv4 address is the same one in its mapped form, as a dual-stack socket shows it', () => {
    expect(refusal(() => guard.checkAddress('::ffff:10.1.0.1'))).toBeUndefined()
    expect(refusal(() => guard.checkAddress('::ffff:10.2.0.1'))).toBe('LR_EGRESS_BLOCKED')
  })

  test('nor is an allowed IPv4 address opened in the deprecated form that the system shows with dots', () => {
    for (const address of ['::10.1.0.1', '::a01:1'])
      expect(refusal(() => guard.checkAddress(address))).toBe('LR_EGRESS_BLOCKED')
  })

  test('an allowed host may have any private address, whatever its case and final dot', () => {
    const addresses = ['10.9.9.9', '127.0.0.9', 'fd00:9::9']
    expect(guard.permitted('INTERNAL.example.', addresses)).toEqual(addresses)
    expect(guard.isHostAllowed('internal.example')).toBe(true)
    expect(guard.isHostAllowed('sub.internal.example')).toBe(false)
    expect(guard.isHostAllowed('internal.example.evil.test')).toBe(false)
  })

  test('of the addresses of a name only the permitted ones are left, and none is a refusal', () => {
    const mixed = ['10.2.0.1', '8.8.8.8', '::ffff:127.0.0.9']
    expect(guard.permitted('rp.example', mixed)).toEqual(['8.8.8.8'])
    expect(refusal(() => guard.permitted('rp.example', ['10.2.0.1']))).toBe('LR_EGRESS_BLOCKED')
    expect(refusal(() => guard.permitted('rp.example', []))).toBe('LR_EGRESS_BLOCKED')
  })

  const metadata = [
    ...[
      '169.254.169.254',
      '169.254.170.2',
      '169.254.170.23',
      '168.63.129.16',
      '100.100.100.200',
      '192.0.0.192',
    ],
    ...[
      'fd00:ec2::254',
      'fd00:ec2::23',
      'fd20:ce::254',
      '::ffff:169.254.169.254',
      '64:ff9b::169.254.169.254',
    ],
    ...[
      '64:ff9b:1::a9fe:a9fe',
      '64:ff9b:1:a9fe:a9:fe00::',
      '64:ff9b:1:a9:fe:a9fe::',
      '64:ff9b:1:0:a9:fea9:fe00:0',
      '2002:a9fe:a9fe::',
      '2001::5601:5601',
      '::a9fe:a9fe',
    ],
    ...['2606:4700::5efe:a9fe:a9fe', '::ffff:0:a9fe:a9fe', 'fe80::a9fe:a9fe'],
  ]
  test.each(metadata)('neither a name nor a range opens the metadata service at %s', (address) => {
    const allow = ['0.0.0.0/0', '::/0', '169.254.0.0/16', '64:ff9b::/96', '64:ff9b:1::/48', 'rp.internal']
    const open = new EgressGuard({ allowHttp: true, allow })
    expect(refusal(() => open.checkAddress(address))).toBe('LR_EGRESS_BLOCKED')
    expect(refusal(() => open.checkAddress(address, 'rp.internal'))).toBe('LR_EGRESS_BLOCKED')
    expect(open.permitted('rp.internal', ['10.0.0.1', address])).toEqual(['10.0.0.1'])
  })

  test('the very address of a metadata service opens it, and a range opens link-local beside it', () => {
    const exact = new EgressGuard({ allowHttp: true, allow: ['169.254.169.254', '168.63.129.16/32'] })
    expect(refusal(() => exact.checkAddress('169.254.169.254'))).toBeUndefined()
    expect(refusal(() => exact.checkAddress('168.63.129.16'))).toBeUndefined()
    expect(refusal(() => exact.checkAddress('169.254.170.2'))).toBe('LR_EGRESS_BLOCKED')
    const range = new EgressGuard({ allowHttp: true, allow: ['169.254.0.0/16'] })
    expect(refusal(() => range.checkAddress('169.254.20.10'))).toBeUndefined()
    expect(refusal(() => guard.checkAddress('169.254.20.10', 'internal.example'))).toBe('LR_EGRESS_BLOCKED')
  })

  test('what is behind NAT64 is judged by the address within, the local prefix by itself', () => {
    expect(refusal(() => guard.checkAddress('64:ff9b::10.1.0.1'))).toBeUndefined()
    expect(refusal(() => guard.checkAddress('64:ff9b::10.2.0.1'))).toBe('LR_EGRESS_BLOCKED')
    const local = new EgressGuard({ allowHttp: true, allow: ['64:ff9b:1::/48'] })
    expect(refusal(() => local.checkAddress('64:ff9b:1::8.8.8.8'))).toBeUndefined()
  })
})

describe('egress guard, schemes', () => {
  test('https always, http where it is allowed, nothing else', () => {
    const open = new EgressGuard({ allowHttp: true, allow: [] })
    expect(refusal(() => closed.checkProtocol('https:'))).toBeUndefined()
    expect(refusal(() => closed.checkProtocol('http:'))).toBe('LR_EGRESS_BLOCKED')
    expect(refusal(() => open.checkProtocol('http:'))).toBeUndefined()
    for (const protocol of ['ftp:', 'file:', 'ws:', 'gopher:', '']) {
      expect(refusal(() => open.checkProtocol(protocol))).toBe('LR_EGRESS_BLOCKED')
    }
  })
})

describe('EGRESS_ALLOW', () => {
  test.each([
    ...[
      'rp.example',
      'localhost',
      'my_host',
      '10.0.0.0/8',
      '::1',
      'fd00::/8',
      '192.168.1.1',
      'a.b.',
      'RP.Example',
    ],
    ...[
      '10.0.0.1/32',
      '0.0.0.0/0',
      '::/0',
      '::ffff:10.0.0.1',
      '64:ff9b::/96',
      'xn--bcher-kva.example',
      '1and1.example',
    ],
  ])('accepts %s', (entry) => {
    expect(allowEntryProblem(entry, 1)).toBeUndefined()
  })

  test.each([
    ...[
      ['127.1', '127.0.0.1'],
      ['2130706433', '127.0.0.1'],
      ['0x7f.1', '127.0.0.1'],
      ['10', '0.0.0.10'],
    ],
    ...[
      ['010.0.0.1', '8.0.0.1'],
      ['127.0.0.1.', '127.0.0.1'],
      ['::ffff:10.0.0.0/104', '10.0.0.0/8'],
    ],
    ...[
      ['::ffff:0:0/96', '0.0.0.0/0'],
      ['10.0.0.1/8', '10.0.0.0/8'],
      ['fd00::1/8', 'fd00::/8'],
    ],
    ...[
      ['b\u00fccher.example', 'xn--bcher-kva.example'],
      ['10/8', '10.0.0.0/8'],
      ['127/8', '10.0.0.0/8'],
    ],
    ...[
      ['*.example', 'each name'],
      ['.example', 'each name'],
      ['fe80::1%eth0', 'zone'],
      ['fe80::%eth0/64', 'zone'],
    ],
    ...[
      ['[::1]', 'write ::1'],
      ['[fd00::]/8', 'write fd00::/8'],
      ['[::1]:8443', 'write ::1'],
      ['rp.example:8443', 'write rp.example'],
      ['10.0.0.1:443', 'write 10.0.0.1'],
    ],
    ...[
      ['10.0.0.0/08', 'write 10.0.0.0/8'],
      ['fd00::/008', 'write fd00::/8'],
      ['10.0.0.0/33', 'write 10.0.0.0/32'],
      ['fd00::/129', 'write fd00::/128'],
    ],
    ...[
      ['::10.0.0.1', 'write 10.0.0.1'],
      ['::a00:1/128', 'write 10.0.0.1/32'],
      ['10.0.0.0/8 fd00::/8', 'commas'],
    ],
  ])('refuses %s and says what to write', (entry, remedy) => {
    expect(allowEntryProblem(entry, 3)).toContain(`entry 3 (${entry}) `)
    expect(allowEntryProblem(entry, 3)).toContain(remedy)
  })

  test.each([
    ...[
      '10.0.0.0/33',
      'rp.example/24',
      'https://rp.example',
      'rp example',
      '-',
      'a..b',
      '1.2.3.256',
      'fd00::/129',
    ],
    ...[
      '10.0.0.0/',
      '10.0.0.0/255.0.0.0',
      '010.0.0.0/8',
      'rp.example/',
      `${'x'.repeat(64)}.example`,
      'a@b',
      '%31',
      '10.0.0.0//8',
      '//10.0.0.0/8',
      '10.00.0.0/8',
      '0xa.0.0.0/8',
      '::010.0.0.1',
      'fd00::010.0.0.1/128',
      '10.0.0.0/+8',
    ],
  ])('refuses %s', (entry) => {
    expect(allowEntryProblem(entry, 1)).toBeTypeOf('string')
  })

  test('what is accepted can match, and what is refused opens nothing', () => {
    const anyEntry = fc.oneof(
      fc.domain(),
      fc.ipV4Extended(),
      fc.ipV6(),
      fc.tuple(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(130)).map(([address, bits]) => `${address}/${bits}`),
      fc.string(),
    )
    fc.assert(
      fc.property(anyEntry, (entry) => {
        const guard = new EgressGuard({ allowHttp: true, allow: [entry] })
        const parsed = parseAllowEntry(entry)
        if (parsed.kind === 'invalid') expect(guard.isHostAllowed(entry)).toBe(false)
        if (parsed.kind === 'host') expect(guard.isHostAllowed(hostOf(entry))).toBe(true)
        if (parsed.kind === 'range')
          expect(refusal(() => guard.checkAddress(`${parsed.range[0]}`))).toBeUndefined()
      }),
    )
  })
})
