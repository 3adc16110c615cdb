import { describe, expect, test } from 'vitest'
import { checkNodeVersion } from '../../../src/diagnosis/configuration.ts'

describe('the version of Node.js', () => {
  test.each(['24.22.1', '24.22.2', '24.100.0', '26.12.1', '26.13.0', '28.0.0', '24.22.1-nightly2026'])(
    '%s lacks no security release that is known',
    (version) => {
      expect(checkNodeVersion(version).severity).toBe('ok')
    },
  )

  test.each([
    ['24.22.0', ['24.22.1']],
    ['24.18.1', ['24.22.1']],
    ['24.9.0', ['24.22.1', '24.18.1', '24.17.0', '24.14.1', '24.13.0']],
    ['26.12.0', ['26.12.1']],
  ])('%s: a hint that names what it lacks, and the version to run', (version, lacking) => {
    const { severity, text, remedy } = checkNodeVersion(version)
    expect(severity).toBe('hint')
    expect(text.match(/\d+\.\d+\.\d+(?= of )/g)).toEqual(lacking)
    expect(text).toMatch(/CVE-\d{4}-\d+/)
    expect(remedy).toContain(lacking[0])
  })
})
