import { expect, test } from 'vitest'
import { describeOptions } from '../../src/config/describe-options.ts'
import { textOf } from '../support/pages.ts'

const unit = textOf('docs/systemd/logout-relay.service')

/** All values of a setting, in order. */
const valuesOf = (name: string) =>
  [...unit.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value = '']) => value)

test('the systemd unit gives the relay time to drain, and starts it again unless its options are wrong', () => {
  const drainMs = Number(describeOptions().find(({ name }) => name === 'DRAIN_MS')?.defaultValue)
  expect(Number(valuesOf('TimeoutStopSec')[0])).toBeGreaterThanOrEqual(drainMs / 1_000 + 15)
  expect(valuesOf('Restart')).toEqual(['on-failure'])
  expect(valuesOf('RestartPreventExitStatus')).toEqual(['2'])
  expect(valuesOf('ExecStart')[0]).toMatch(/\/node_modules\/\.bin\/logout-relay serve$/)
})

test('its secrets are credentials: each is loaded from a file, and an option names it', () => {
  expect(valuesOf('DynamicUser')).toEqual(['yes'])
  const credentials = valuesOf('LoadCredential').map((it) => it.split(':')[0])
  const settings = valuesOf('Environment').flatMap((it) => it.split(' '))
  const named = settings.filter((it) => it.includes('%d/')).map((it) => it.split('='))
  expect(named.map(([, path]) => path)).toEqual(credentials.map((name) => `%d/${name}`))
  const options = new Set(describeOptions().map(({ name }) => name))
  const unknown = named
    .map(([name = '']) => name)
    .filter((it) => !options.has(it) && !options.has(it.replace(/_FILE$/, '')))
  expect(unknown).toEqual([])
})
