import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { describeOptions } from '../../src/config/describe-options.ts'
import { secretOptions } from '../../src/config/secret-files.ts'
import { chartFile, madeChartFiles } from '../support/chart-files.ts'
import { type JsonSchema, schemaAt } from '../support/chart-schema.ts'
import { chartValues } from '../support/chart-values.ts'

const schema = JSON.parse(chartFile('values.schema.json')) as JsonSchema
const values = chartValues(chartFile('values.yaml'))
const namesAt = (...path: string[]) => Object.keys(schemaAt(schema, path).properties ?? {})

describe('the chart says what is true:', () => {
  test('its schema and its README are made from the options and from values.yaml; `npm run chart` makes them', () => {
    for (const [name, content] of Object.entries(madeChartFiles()))
      expect(chartFile(name), name).toBe(content)
  })

  test('every option can be set, secret ones in the Secret only', () => {
    const secrets = namesAt('secret', 'values')
    const plain = namesAt('config').filter((name) => !secrets.includes(name.replace(/_FILE$/, '')))
    expect([...plain, ...secrets].sort()).toEqual(
      describeOptions()
        .map(({ name }) => name)
        .sort(),
    )
    expect(secrets.sort()).toEqual([...secretOptions].sort())
    expect(namesAt('config').filter((name) => secrets.includes(name))).toEqual([])
  })

  test('its templates know the secret options', () => {
    const [, list] =
      /"logout-relay.secretOptions" -\}\}\n(\[.*\])/.exec(chartFile('templates/_options.tpl')) ?? []
    expect(JSON.parse(list ?? '')).toEqual([...secretOptions])
  })

  test('a comment stands above every value', () => {
    expect(values.length).toBeGreaterThan(50)
    expect(values.filter(({ description }) => description === '').map(({ path }) => path.join('.'))).toEqual(
      [],
    )
  })

  test('the schema knows the values and no others, and refuses what it does not know at every level', () => {
    const known = (part: JsonSchema, path: string[]): string[] => {
      const inside = Object.entries(part.properties ?? {})
      const isLeaf = inside.length === 0 || values.some((value) => value.path.join('.') === path.join('.'))
      if (isLeaf) return [path.join('.')]
      expect(part.additionalProperties, path.join('.')).toBe(false)
      return inside.flatMap(([name, child]) => known(child, [...path, name]))
    }
    const names = values.map(({ path }) => path.join('.'))
    expect(known(schema, []).sort()).toEqual([...names, 'global'].sort())
  })

  test('its version is that of the project', () => {
    const { version } = JSON.parse(chartFile('../../package.json')) as { version: string }
    expect(parse(chartFile('Chart.yaml'))).toMatchObject({ version, appVersion: version })
  })

  test('the sidecar of docs/deploy.md gets what the relay requires, and time to drain', () => {
    const [, snippet = ''] =
      /```yaml\n(apiVersion: v1\nkind: Pod\n.*?)```/s.exec(chartFile('../../docs/deploy.md')) ?? []
    const { spec } = parse(snippet, { version: '1.1' })
    const [{ env, volumeMounts, securityContext, resources }] = spec.initContainers
    const required = describeOptions().filter((option) => option.required)
    // One issuer stands in two options, of which neither is required where several stand in a file.
    expect(env.map(({ name }: { name: string }) => name).sort()).toEqual(
      [...required.map(({ name }) => name), 'ISSUER', 'SIGNING_KEYS_FILE'].sort(),
    )
    const keysFile = env.find(({ name }: { name: string }) => name === 'SIGNING_KEYS_FILE').value
    expect(keysFile.startsWith(`${volumeMounts[0].mountPath}/`)).toBe(true)
    const drain = describeOptions().find(({ name }) => name === 'DRAIN_MS')?.defaultValue
    expect(spec.terminationGracePeriodSeconds).toBeGreaterThan(Number(drain) / 1_000 + 5)
    const {
      podSecurityContext,
      securityContext: chartSecurity,
      resources: chartResources,
    } = parse(chartFile('values.yaml'))
    expect(spec.securityContext.fsGroup).toBe(podSecurityContext.fsGroup)
    expect(securityContext).toEqual({ runAsUser: 65_532, runAsGroup: 65_532, ...chartSecurity })
    expect(resources).toEqual(chartResources)
  })
})
