import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'

const run = promisify(execFile)
const dockerfile = readFileSync(new URL('../../Dockerfile', import.meta.url), 'utf8').replaceAll('\\\n', '')
const digest = `sha256:${'0a'.repeat(32)}`

describe('the base image', () => {
  const [, check = ''] = /^RUN (echo "\$\{NODE_IMAGE\}".*)$/m.exec(dockerfile) ?? []
  const builds = (NODE_IMAGE: string, PINNED: string) =>
    run('sh', ['-c', check], { env: { PATH: process.env.PATH, NODE_IMAGE, PINNED } })

  test.each([`node:24-slim@${digest}`, `registry.example.com:5000/node@${digest}`])(
    '%s is pinned',
    async (image) => {
      expect((await builds(image, 'true')).stderr).toBe('')
    },
  )

  test.each([
    'node:24-slim',
    `node:${digest.slice(7)}`,
    `node@${digest.slice(0, 70)}`,
    `node@${digest}0`,
    '',
  ])('"%s" is not: that is said, and refused where it must be', async (image) => {
    expect((await builds(image, 'false')).stderr).toContain('not pinned by digest')
    await expect(builds(image, 'true')).rejects.toThrow('not pinned by digest')
  })
})

const hasIpv6 = Object.values(networkInterfaces()).some((them) =>
  them?.some(({ address }) => address === '::1'),
)
const bound: [host: string, address: string | undefined][] = [
  ['127.0.0.1', undefined],
  ['127.0.0.1', ''],
  ['127.0.0.1', '0.0.0.0'],
  ['127.0.0.1', '127.0.0.1'],
  ['127.0.0.1', 'localhost'],
  ['127.0.0.1', '::'],
  ['127.0.0.9', '127.0.0.9'],
  ...(hasIpv6 ? [['::1', '::1'] as [string, string]] : []),
]

test.each(bound)(
  'a relay at %s is healthy with BIND_ADDRESS=%s, and one that is gone is not',
  async (host, address) => {
    const [, command = ''] = /^HEALTHCHECK .* CMD (\[.*\])$/m.exec(dockerfile) ?? []
    const [, ...args] = JSON.parse(command) as string[]
    const server = createServer((request, response) => {
      response.writeHead(request.url === '/livez' ? 200 : 404).end()
    })
    onTestFinished(() => void server.close())
    server.listen({ port: 0, host })
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const env = { PORT: String(port), ...(address !== undefined && { BIND_ADDRESS: address }) }
    await run(process.execPath, args, { env })
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await expect(run(process.execPath, args, { env })).rejects.toThrow('Command failed')
  },
)
