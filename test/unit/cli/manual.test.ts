import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { manualFiles } from '../../support/manual.ts'
import { textOf } from '../../support/pages.ts'

const files = await manualFiles()

test.each(Object.entries(files))(
  '%s is made from the commands and options; `npm run docs` makes it',
  (path, text) => {
    expect(textOf(path)).toBe(text)
  },
)

/** What bash offers behind these words. */
function offered(...words: string[]): string[] {
  const script = `
    source completions/logout-relay.bash
    COMP_WORDS=(logout-relay "$@") COMP_CWORD=$#
    compopt() { :; }
    _logout_relay
    printf '%s\\n' "\${COMPREPLY[@]}"`
  const cwd = new URL('../../../', import.meta.url)
  return execFileSync('bash', ['-c', script, 'bash', ...words], { cwd, encoding: 'utf8' }).split('\n')
}

describe('in bash', () => {
  test('commands, subcommands and their options are offered', () => {
    expect(offered('')).toEqual(expect.arrayContaining(['serve', 'sessions', 'env', '--env-file']))
    expect(offered('sess')).toEqual(['sessions', ''])
    expect(offered('sessions', '')).toEqual(expect.arrayContaining(['list', 'register']))
    expect(offered('sessions', 'list', '--')).toEqual(
      expect.arrayContaining(['--user', '--json', '--env-file']),
    )
    expect(offered('sessions', 'list', '--')).not.toContain('--registered-at')
  })

  test('a value is no command, and known values are offered', () => {
    expect(offered('--env-file', 'serve', 'trace', '--si')).toEqual(['--since', ''])
    expect(offered('replay', '--type', 'session')).toEqual(['session-terminated', ''])
    expect(offered('completion', 'z')).toEqual(['zsh', ''])
    expect(offered('doctor', '--env-file', 'package.j')).toEqual(['package.json', ''])
  })
})

test('the manual has every command, every option and every exit code', () => {
  const page = files['man/logout-relay.1'] ?? ''
  for (const name of [
    'sessions list',
    'send user\\-signed\\-out',
    '\\-\\-env\\-file',
    'KAFKA_BROKERS',
    '130',
  ])
    expect(page).toContain(name)
  expect(page.split('\n').filter((line) => /^[.'](?!TH|SH|SS|TP|PP|B|RI|\\")/.test(line))).toEqual([])
})
