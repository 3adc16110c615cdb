import { promises as dns } from 'node:dns'

/*
 * Loaded before a program under test: it asks a name server of the bench, which may never answer, in place of those of
 * this machine.
 */
const server = process.env.BENCH_NAME_SERVER ?? ''

dns.Resolver = class extends dns.Resolver {
  constructor(options?: ConstructorParameters<typeof dns.Resolver>[0]) {
    super(options)
    this.setServers([server])
  }
}
