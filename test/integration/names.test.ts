import { createHook } from 'node:async_hooks'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { EgressGuard } from '../../src/egress/egress-guard.ts'
import { NameResolver } from '../../src/egress/name-resolver.ts'
import type { UndiciSenderOptions } from '../../src/egress/undici-sender.ts'
import { DeafListener } from '../support/deaf-listener.ts'
import { HostileServer, onRequest } from '../support/hostile-server.ts'
import { LoopbackSender } from '../support/loopback-sender.ts'
import { type Answer, NameServer } from '../support/name-server.ts'
import { PATIENCE_MS } from '../support/patience.ts'

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'
const here: Answer = { addresses: ['127.0.0.77'] }

interface Surroundings {
  readonly answer?: (name: string, type: 'A' | 'AAAA') => Answer
  readonly hosts?: string
  readonly resolvConf?: string
  readonly options?: Partial<UndiciSenderOptions> & { readonly guard?: EgressGuard }
}

/** A sender that asks a name server of its own, and an RP that answers 200. */
async function surroundings({
  answer = () => 'NXDOMAIN',
  hosts = '',
  resolvConf = '',
  options,
}: Surroundings) {
  const folder = await mkdtemp(join(tmpdir(), 'names-'))
  const files = { hosts: join(folder, 'hosts'), resolvConf: join(folder, 'resolv.conf') }
  await writeFile(files.hosts, hosts)
  await writeFile(files.resolvConf, resolvConf)
  const nameServer = await NameServer.listen(answer)
  const names = new NameResolver({ servers: [nameServer.address], files })
  const sender = new LoopbackSender(PATIENCE_MS, { names, ...options })
  const rp = await HostileServer.plain(onRequest((socket) => socket.write(OK)))
  onTestFinished(async () => {
    await sender.close()
    rp.close()
    nameServer.close()
  })
  return { files, nameServer, names, rp, sender }
}

const ok = { kind: 'answered', status: 200 }
const failed = (code: string) => ({ kind: 'unreachable', code })

describe('RPs whose name server never answers', () => {
  test('hold up nobody: the healthy is told while forty of them are still asked for', async () => {
    const { rp, sender } = await surroundings({
      answer: (name) => (name.startsWith('dead') ? undefined : here),
    })
    let over = 0
    const dead = Array.from({ length: 320 }, async (_, i) => {
      const result = await sender.send(rp.uri('http', `dead-${i % 40}.test`))
      over++
      return result
    })
    const healthy = [1, 2, 3].map((i) => sender.send(rp.uri('http', `healthy-${i}.test`)))
    for (const result of await Promise.all(healthy)) expect(result).toMatchObject(ok)
    expect(over).toBe(0)
    for (const result of await Promise.all(dead)) expect(result).toMatchObject(failed('EAI_AGAIN'))
  })

  test('are asked for once by all that wait, and not again at once', async () => {
    const { nameServer, rp, sender } = await surroundings({
      answer: (name) => (name === 'dead.test' ? undefined : here),
    })
    const attempts = (name: string) => Array.from({ length: 16 }, () => sender.send(rp.uri('http', name)))
    for (const result of await Promise.all(attempts('healthy.test'))) expect(result).toMatchObject(ok)
    expect(nameServer.asked.sort()).toEqual(['A healthy.test', 'AAAA healthy.test'])
    await Promise.all(attempts('dead.test'))
    const asked = nameServer.asked.length
    for (const result of await Promise.all(attempts('dead.test')))
      expect(result).toMatchObject(failed('EAI_AGAIN'))
    expect(nameServer.asked).toHaveLength(asked)
  })

  test('take no thread from the others: the system is not asked for them', async () => {
    const { rp, sender } = await surroundings({
      answer: (name) => (name === 'dead.test' ? undefined : 'SERVFAIL'),
    })
    let lookups = 0
    const hook = createHook({
      init: (_id, type) => void (type === 'GETADDRINFOREQWRAP' && lookups++),
    }).enable()
    onTestFinished(() => void hook.disable())
    const results = ['dead.test', 'broken.test'].map((name) => sender.send(rp.uri('http', name)))
    for (const result of await Promise.all(results)) expect(result).toMatchObject(failed('EAI_AGAIN'))
    expect(lookups).toBe(0)
  })

  test('more of them than are looked up at one time: what is not begun is charged to nobody', async () => {
    const { names } = await surroundings({ answer: () => undefined })
    const codes: unknown[] = []
    const count = 1_200
    const all = Array.from(
      { length: count },
      (_, i) =>
        new Promise<void>((resolve) => {
          names.resolve(`dead-${i}.test`, (error) => {
            codes.push((error as NodeJS.ErrnoException).code)
            resolve()
          })
        }),
    )
    // At once, while the others are asked for.
    expect(new Set(codes)).toEqual(new Set(['LR_LOCAL']))
    expect(codes).toHaveLength(count - 1_024)
    names.close()
    await Promise.all(all)
  })

  test('an attempt ends with its time-out, whatever its name server does', async () => {
    const { names, rp } = await surroundings({ answer: () => undefined })
    const impatient = new LoopbackSender(100, { names })
    onTestFinished(() => impatient.close())
    expect(await impatient.send(rp.uri('http', 'dead.test'))).toMatchObject(failed('LR_ATTEMPT_TIMEOUT'))
  })
})

test('name servers that cannot be asked are nobody else’s fault', async () => {
  const gone = await NameServer.listen(() => undefined)
  gone.close()
  const names = new NameResolver({ servers: ['127.0.0.1:1'] })
  const sender = new LoopbackSender(PATIENCE_MS, { names })
  onTestFinished(() => sender.close())
  expect(await sender.send('http://rp.test:9/logout')).toMatchObject(failed('LR_LOCAL'))
})

test('a name server that is dead is passed over for the next', async () => {
  const dead = await NameServer.listen(() => undefined)
  const live = await NameServer.listen(() => here)
  const names = new NameResolver({ servers: [dead.address, live.address] })
  onTestFinished(() => {
    dead.close()
    live.close()
  })
  expect(await names.addressesOf('rp.test')).toEqual(['127.0.0.77'])
})

describe('a name', () => {
  test('of the hosts file is not asked for, and a change of that file is seen', async () => {
    const hosts = '127.0.0.77 rp.test alias # comment\n::1\tsix.test\nnonsense rp.test\n'
    const { files, nameServer, names, rp, sender } = await surroundings({ hosts })
    for (const name of ['rp.test', 'ALIAS', 'rp.test.']) {
      expect(await sender.send(rp.uri('http', name))).toMatchObject(ok)
    }
    expect(await names.addressesOf('localhost')).toEqual(['127.0.0.1', '::1'])
    expect(await names.addressesOf('a.localhost')).toEqual(['127.0.0.1', '::1'])
    expect(await names.addressesOf('six.test')).toEqual(['::1'])
    expect(nameServer.asked).toEqual([])
    await writeFile(files.hosts, '127.0.0.78 rp.test\n127.0.0.79 rp.test\n')
    await expect
      .poll(() => names.addressesOf('rp.test'), { timeout: PATIENCE_MS })
      .toEqual(['127.0.0.78', '127.0.0.79'])
  })

  test.each([
    { name: 'shop', asked: ['shop.ns.svc.cluster.test'] },
    { name: 'shop.other', asked: ['shop.other.ns.svc.cluster.test', 'shop.other.svc.cluster.test'] },
    { name: 'shop.example.test', asked: ['ns.svc.cluster.test', 'svc.cluster.test', ''] },
    { name: 'a.b.c.d.e.test', asked: [''] },
    { name: 'shop.example.test.', asked: [''] },
  ])('is searched for as resolv.conf says: $name', async ({ name, asked }) => {
    const known = [
      'shop.ns.svc.cluster.test',
      'shop.other.svc.cluster.test',
      'shop.example.test',
      'a.b.c.d.e.test',
    ]
    const { nameServer, rp, sender } = await surroundings({
      resolvConf: '# a pod\nsearch ns.svc.cluster.test svc.cluster.test.\noptions ndots:5 timeout:1\n',
      answer: (name) => (known.includes(name) ? here : 'NXDOMAIN'),
    })
    expect(await sender.send(rp.uri('http', name))).toMatchObject(ok)
    const base = name.replace(/\.$/, '')
    const expected = asked.map((suffix) =>
      suffix.startsWith(base) ? suffix : [base, suffix].filter(Boolean).join('.'),
    )
    expect([...new Set(nameServer.asked.map((line) => line.split(' ')[1]))]).toEqual(expected)
  })

  test.each([
    { title: 'does not exist', answer: () => 'NXDOMAIN' as const, code: 'ENOTFOUND' },
    { title: 'has no address', answer: () => ({ addresses: [] }), code: 'ENOTFOUND' },
    { title: 'cannot exist', name: `${'x'.repeat(64)}.test`, answer: () => here, code: 'ENOTFOUND' },
    { title: 'is not told', answer: () => 'SERVFAIL' as const, code: 'EAI_AGAIN' },
  ])('that $title: $code', async ({ answer, code, name = 'rp.test' }) => {
    const { rp, sender } = await surroundings({ answer })
    expect(await sender.send(rp.uri('http', name))).toMatchObject(failed(code))
  })

  test('of which one family is never told is reached by the other', async () => {
    const { rp, sender, names } = await surroundings({
      answer: (name, type) => {
        if (type === (name.startsWith('four') ? 'AAAA' : 'A')) return undefined
        return { addresses: ['127.0.0.77', '::1'] }
      },
    })
    expect(await sender.send(rp.uri('http', 'four.test'))).toMatchObject(ok)
    expect(await names.addressesOf('six.test')).toEqual(['::1'])
  })

  test('is kept as long as its record says', async () => {
    const { names, nameServer } = await surroundings({
      answer: (name) => ({ addresses: ['127.0.0.77'], ttl: name === 'kept.test' ? 3_600 : 0 }),
    })
    for (let i = 0; i < 3; i++)
      await Promise.all([names.addressesOf('kept.test'), names.addressesOf('fleeting.test')])
    const count = (question: string) => nameServer.asked.filter((it) => it === question).length
    expect([count('A kept.test'), count('A fleeting.test')]).toEqual([1, 3])
  })
})

describe('the guard judges what a name resolves to', () => {
  const addresses: Record<string, string[]> = {
    'metadata.internal': ['169.254.169.254'],
    'metadata6.internal': ['fd00:ec2::254'],
    'mixed.internal': ['169.254.169.254', '127.0.0.77'],
    'nat64.test': ['64:ff9b::a9fe:a9fe'],
    'private.test': ['10.0.0.1'],
  }
  test.each([
    ['metadata.internal', 'blocked'],
    ['metadata6.internal', 'blocked'],
    ['mixed.internal', 'answered'],
    ['nat64.test', 'blocked'],
    ['private.test', 'blocked'],
  ])('%s: %s', async (name, kind) => {
    const guard = new EgressGuard({
      allowHttp: true,
      allow: ['metadata.internal', 'metadata6.internal', 'mixed.internal'],
    })
    const { rp, sender } = await surroundings({
      answer: (name) => ({ addresses: addresses[name] ?? [] }),
      options: { guard },
    })
    expect(await sender.send(rp.uri('http', name))).toMatchObject({ kind })
  })
})

describe('a name with several addresses', () => {
  const guard = new EgressGuard({ allowHttp: true, allow: ['rp.test'] })

  test.each([
    { beside: 'one that refuses', addresses: ['127.0.0.1', '127.0.0.99'] },
    { beside: 'an IPv6 one without a route', addresses: ['127.0.0.1', '2001:db8::1'] },
    {
      beside: 'many that refuse',
      addresses: ['127.0.0.1', '127.0.0.91', '127.0.0.92', '127.0.0.93', '::1', '2001:db8::2'],
    },
  ])('is reached at one that is slow beside $beside', async ({ addresses }) => {
    const slow = await DeafListener.listen()
    onTestFinished(() => slow.close())
    const { sender } = await surroundings({ answer: () => ({ addresses }), options: { guard } })
    const attempt = sender.send(`http://rp.test:${slow.port}/logout`)
    setTimeout(() => slow.hear(), 1_000)
    expect(await attempt).toMatchObject(ok)
  })

  test('is reached at one that is well beside one that hangs', async () => {
    const hanging = await DeafListener.listen()
    const well = await HostileServer.plain(
      onRequest((socket) => socket.write(OK)),
      '127.0.0.78',
      hanging.port,
    )
    onTestFinished(() => {
      hanging.close()
      well.close()
    })
    const { sender } = await surroundings({
      answer: () => ({ addresses: ['127.0.0.1', '127.0.0.78'] }),
      options: { guard },
    })
    expect(await sender.send(`http://rp.test:${hanging.port}/logout`)).toMatchObject(ok)
  })

  test('of which none takes a connection has failed with what tells most', async () => {
    const { rp, sender } = await surroundings({
      // To the first there is no way from anywhere.
      answer: () => ({ addresses: ['224.0.0.1', '127.0.0.98'] }),
      options: { guard },
    })
    expect(await sender.send(rp.uri('http', 'rp.test'))).toMatchObject(failed('ECONNREFUSED'))
  })
})

describe('an RP that moves in the DNS while one logout after the other goes to it', () => {
  test('is followed when its connection is of age, and no request is cut', async () => {
    let address = '127.0.0.77'
    const { rp, sender } = await surroundings({
      answer: () => ({ addresses: [address], ttl: 0 }),
      options: { connectionAgeMsMax: 200 },
    })
    const port = Number(new URL(rp.uri()).port)
    const moved = await HostileServer.plain(
      onRequest((socket) => setTimeout(() => socket.write(OK), 20)),
      '127.0.0.78',
      port,
    )
    onTestFinished(() => moved.close())
    const uri = rp.uri('http', 'rp.test')
    const send = async () => expect(await sender.send(uri)).toMatchObject(ok)
    await send()
    address = '127.0.0.78'
    const isFollowed = async () => {
      await Promise.all([send(), send(), send()])
      return moved.accepted
    }
    // More than once: there too connections are replaced.
    await expect.poll(isFollowed, { interval: 1, timeout: PATIENCE_MS }).toBeGreaterThan(3)
    expect(rp.accepted).toBeGreaterThan(0)
  })

  test('a connection that is not of age is kept', async () => {
    const { rp, sender } = await surroundings({ answer: () => here })
    for (let i = 0; i < 20; i++) expect(await sender.send(rp.uri('http', 'rp.test'))).toMatchObject(ok)
    // A request that follows at once takes a second one.
    expect(rp.accepted).toBeLessThanOrEqual(2)
  })
})
