import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { confirm } from '../../../src/cli/confirm.ts'

/** Somebody at a terminal, or a script, who answers so. */
function person(isTTY: boolean, answer?: string) {
  const input = Object.assign(new PassThrough(), { isTTY })
  const output = new PassThrough()
  if (answer === undefined) input.end()
  else input.write(`${answer}\n`)
  return { input, output }
}

describe('what cannot be undone is', () => {
  test.each(['y', 'Y', 'yes', ' yes '])('done when the answer is "%s"', async (answer) => {
    expect(await confirm('Remove it?', undefined, person(true, answer))).toBe(true)
  })

  test.each(['', 'n', 'no', 'yesterday', undefined])('not done when the answer is "%s"', async (answer) => {
    expect(await confirm('Remove it?', undefined, person(true, answer))).toBe(false)
  })

  test('asked by its question', async () => {
    const { input, output } = person(true, 'n')
    await confirm('Remove it?', false, { input, output })
    expect(String(output.read())).toContain('Remove it? [y/N]')
  })

  test('done with --yes, and refused without it where nobody can be asked', async () => {
    expect(await confirm('Remove it?', true, person(false))).toBe(true)
    await expect(confirm('Remove it?', undefined, person(false, 'y'))).rejects.toMatchObject({
      code: 'LR_USAGE',
      message: expect.stringContaining('--yes'),
    })
  })
})
