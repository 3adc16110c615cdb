import { generateKeyPairSync } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { readConfig } from '../../src/config/config.ts'
import { readIntakeFile } from '../../src/config/intake-file.ts'
import { readIssuersFile } from '../../src/config/issuers-file.ts'
import { readMappingFile } from '../../src/config/mapping-file.ts'
import { secretOptions } from '../../src/config/secret-files.ts'
import { ensureHelm } from '../stack/helm.ts'
import { createScratchDirectory } from '../stack/scratch-directory.ts'
import { chartDirectory, chartFile } from '../support/chart-files.ts'
import { type KubernetesObject, RenderedChart } from '../support/rendered-chart.ts'

let chart: RenderedChart | undefined
let reason = ''

beforeAll(async () => {
  const helm = await ensureHelm()
  if ('path' in helm) {
    chart = new RenderedChart(helm.path)
    return
  }
  reason = helm.missing
  process.stderr.write(`The Helm chart is not tested: ${reason}\n`)
}, 300_000)

/** A test that is left out, with the reason, where there is no Helm. */
function chartTest(name: string, body: (chart: RenderedChart) => Promise<void>): void {
  test(name, async (context) => {
    if (chart === undefined) return context.skip(reason)
    await body(chart)
  })
}

const valuesFiles = readdirSync(new URL('ci/', chartDirectory)).map((file) =>
  file.replace('-values.yaml', ''),
)

function only(objects: KubernetesObject[], kind: string): KubernetesObject {
  const found = objects.filter((object) => object.kind === kind)
  expect(
    found.map(({ metadata }) => metadata.name),
    kind,
  ).toHaveLength(1)
  return found[0] as KubernetesObject
}

const podOf = (objects: KubernetesObject[]) => only(objects, 'Deployment').spec.template.spec
const containerOf = (objects: KubernetesObject[]) => podOf(objects).containers[0]
const optionsOf = (objects: KubernetesObject[]) =>
  objects.find(({ kind, data }) => kind === 'ConfigMap' && 'PORT' in data)?.data as Record<string, string>
const kindsOf = (objects: KubernetesObject[]) => objects.map(({ kind }) => kind)

describe('every file of values', () => {
  test('is there', () => {
    expect(valuesFiles.sort()).toEqual([
      ...['existing-secret', 'full', 'keda', 'many-issuers', 'mapping', 'minimal', 'secured-backends'],
      'webhooks',
    ])
  })

  for (const name of valuesFiles) {
    chartTest(
      `${name}: lints, runs without rights, is probed where it listens, and gets time to drain`,
      async (it) => {
        const args = it.values(name)
        const [, objects] = await Promise.all([it.lint(...args), it.render(...args)])
        const pod = podOf(objects)
        const container = containerOf(objects)
        const options = optionsOf(objects)

        for (const each of objects
          .filter(({ kind }) => kind === 'Pod')
          .map(({ spec }) => spec)
          .concat(pod)) {
          expect(each.automountServiceAccountToken).toBe(false)
          expect(each.securityContext).toEqual({
            runAsNonRoot: true,
            runAsUser: 65_532,
            runAsGroup: 65_532,
            fsGroup: 65_532,
            seccompProfile: { type: 'RuntimeDefault' },
          })
          expect(each.containers[0].securityContext).toEqual({
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          })
        }
        const port = (name: string, number: string | undefined) =>
          number === undefined ? [] : [{ name, containerPort: Number(number), protocol: 'TCP' }]
        expect(container.ports).toEqual([
          ...port('http', options.PORT),
          ...port('intake', options.INTAKE_PORT),
        ])
        expect(container.livenessProbe.httpGet).toEqual({ path: '/livez', port: 'http' })
        expect(container.readinessProbe.httpGet).toEqual({ path: '/readyz', port: 'http' })
        const drainSeconds = Number(options.DRAIN_MS ?? 15_000) / 1_000
        // Five seconds are spent at most on what is left after the drain.
        expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(drainSeconds + 5)
        expect(Object.keys(options).filter((option) => secretOptions.includes(option as never))).toEqual([])
      },
    )

    chartTest(
      `${name}: everything that selects the pods selects them by labels that never change`,
      async (it) => {
        const [first, second] = await Promise.all([
          it.render(...it.values(name)),
          it.render(...it.values(name), '--set', 'image.tag=9.9.9,podLabels.a=b,commonLabels.c=d'),
        ])
        const selectorOf = (objects: KubernetesObject[]) => only(objects, 'Deployment').spec.selector
        expect(selectorOf(second)).toEqual(selectorOf(first))
        const { matchLabels } = selectorOf(first)
        expect(only(first, 'Deployment').spec.template.metadata.labels).toMatchObject(matchLabels)
        const services = first.filter(({ kind }) => kind === 'Service')
        expect(services).toHaveLength(name === 'webhooks' ? 2 : 1)
        for (const { spec } of services) expect(spec.selector).toEqual(matchLabels)
        expect(only(first, 'PodDisruptionBudget').spec.selector).toEqual({ matchLabels })
        for (const constraint of podOf(first).topologySpreadConstraints) {
          expect(constraint.labelSelector).toEqual({ matchLabels })
        }
      },
    )
  }
})

chartTest('the default values can be looked at', async (it) => {
  const [, objects] = await Promise.all([it.lint(), it.render()])
  expect(kindsOf(objects).sort()).toEqual([
    'ConfigMap',
    'Deployment',
    'NetworkPolicy',
    'Pod',
    'PodDisruptionBudget',
    'Service',
    'ServiceAccount',
  ])
})

/** The files of the secret options, by the option that names them: the Secret and its key. */
function secretFilesOf(objects: KubernetesObject[]): Record<string, [secret: string, key: string]> {
  const mount = containerOf(objects).volumeMounts.find(({ name }: { name: string }) => name === 'secrets')
  const volume = podOf(objects).volumes.find(({ name }: { name: string }) => name === 'secrets')
  if (volume === undefined) return {}
  expect([mount.readOnly, volume.projected.defaultMode]).toEqual([true, 0o440])
  return Object.fromEntries(
    volume.projected.sources.map(({ secret: { name, items, optional } }: KubernetesObject) => {
      expect([items.length, optional]).toEqual([1, undefined])
      const [{ key, path }] = items
      expect(optionsOf(objects)[`${path}_FILE`]).toBe(`${mount.mountPath}/${path}`)
      return [path, [name, key]]
    }),
  )
}

chartTest('no secret stands in the environment, whoever made it', async (it) => {
  for (const name of valuesFiles) {
    const objects = await it.render(...it.values(name))
    const text = JSON.stringify([containerOf(objects).env, containerOf(objects).envFrom])
    expect(text).not.toMatch(/secret/i)
    const files = Object.keys(secretFilesOf(objects))
    if (name !== 'secured-backends') expect(files).toContain('REDIS_URL')
  }
})

chartTest('secrets that exist are mounted by the keys that were given, and none is made', async (it) => {
  const args = it.values('existing-secret')
  const objects = await it.render(...args)
  expect(kindsOf(objects)).not.toContain('Secret')
  expect(secretFilesOf(objects)).toEqual({
    REDIS_URL: ['relay-backends', 'REDIS_URL'],
    REDIS_PASSWORD: ['relay-backends', 'redis-password'],
    KAFKA_SASL_USERNAME: ['relay-backends', 'KAFKA_SASL_USERNAME'],
    KAFKA_SASL_PASSWORD: ['relay-backends', 'KAFKA_SASL_PASSWORD'],
  })
  expect(podOf(objects).volumes).toContainEqual({
    name: 'signing-keys',
    secret: { secretName: 'issuer-keys', defaultMode: 0o440 },
  })
  expect(optionsOf(objects).SIGNING_KEYS_FILE).toBe('/etc/logout-relay/keys/jwks.json')
  expect(optionsOf(objects).KAFKA_BROKERS).toBe('kafka-0.kafka:9092,kafka-1.kafka:9092')

  // What comes by another way is not looked for in the Secret.
  const elsewhere = await it.render(
    ...args,
    '--set',
    'extraEnv[0].name=REDIS_URL,extraEnv[0].value=redis://r',
  )
  expect(Object.keys(secretFilesOf(elsewhere))).not.toContain('REDIS_URL')
})

chartTest('traffic is restricted: who comes in, and what is reached', async (it) => {
  const policyOf = async (...args: string[]) => only(await it.render(...args), 'NetworkPolicy').spec
  const usual = await policyOf(...it.values('minimal'))
  expect(usual.policyTypes).toEqual(['Ingress', 'Egress'])
  expect(usual.ingress[0].from[0]).toEqual({ podSelector: {} })
  const portsOf = ({ ports }: KubernetesObject) => ports.map(({ port }: { port: number }) => port)
  expect(usual.egress.map(portsOf)).toEqual([[53, 53, 5353, 5353], [9092, 9093], [6379, 6380], [443]])
  const public4 = usual.egress[3].to[0].ipBlock
  expect(public4.except).toContain('169.254.0.0/16')

  const allowed = await policyOf(
    ...it.values('minimal'),
    ...['--set', 'config.EGRESS_ALLOW=10.1.0.0/16\\, rp.internal\\, 192.168.1.7\\, fd00::/8', '--set'],
    'config.EGRESS_ALLOW_HTTP=true',
  )
  const blocks = allowed.egress[3].to.map(({ ipBlock }: KubernetesObject) => ipBlock.cidr)
  expect(blocks).toEqual(['0.0.0.0/0', '::/0', '10.1.0.0/16', '192.168.1.7/32', 'fd00::/8'])
  expect(portsOf(allowed.egress[3])).toEqual([443, 80])

  const url = 'config.SCHEMA_REGISTRY_URL=http://registry:8081'
  const withRegistry = await policyOf(...it.values('minimal'), '--set', url)
  expect(withRegistry.egress.map(portsOf)).toContainEqual([8081])

  const own = await policyOf(...it.values('full'))
  expect(own.egress.map(portsOf)).toEqual([[53, 53], [9092, 9093], [443], [4318]])
  expect(own.egress[1].to).toEqual([{ podSelector: { matchLabels: { app: 'kafka' } } }])
})

chartTest(
  'webhooks have a port and a Service of their own, and nothing of it is there without them',
  async (it) => {
    const without = await it.render(...it.values('minimal'))
    expect(kindsOf(without).filter((kind) => kind === 'Service')).toHaveLength(1)
    const from = 'networkPolicy.ingress.intakeFrom[0].namespaceSelector.matchLabels.name=ingress'
    const objects = await it.render(
      ...it.values('minimal'),
      '--set',
      `config.INTAKE_PORT=9001,config.INTAKE_FILE=/x,${from}`,
    )
    const services = objects.filter(({ kind }) => kind === 'Service')
    const webhooks = services.find(({ metadata }) => metadata.name.endsWith('-intake'))
    const operators = services.find((it) => it !== webhooks)
    expect(operators?.spec.ports.map(({ name }: { name: string }) => name)).toEqual(['http'])
    expect(webhooks?.spec.ports).toMatchObject([{ name: 'intake', targetPort: 'intake', port: 8081 }])
    expect(webhooks?.spec.publishNotReadyAddresses).toBeUndefined()
    expect(containerOf(objects).ports).toContainEqual({
      name: 'intake',
      containerPort: 9001,
      protocol: 'TCP',
    })
    const [toOperators, toWebhooks] = only(objects, 'NetworkPolicy').spec.ingress
    expect(toOperators.from).not.toEqual(toWebhooks.from)
    expect(toWebhooks).toEqual({
      ports: [{ port: 'intake', protocol: 'TCP' }],
      from: [{ namespaceSelector: { matchLabels: { name: 'ingress' } } }],
    })
  },
)

chartTest('what the notes warn of', async (it) => {
  const notes = (...args: string[]) => it.notes(...it.values('minimal'), ...args)
  expect(await notes()).toMatch(/WARNING: .*contain the signing keys/)
  const better = ['--set', 'signingKeys.value=,signingKeys.existingSecret=issuer-keys']
  expect(await notes(...better)).not.toMatch(/WARNING|NOTE/)
  expect(await notes(...better, '--set', 'config.EGRESS_ALLOW=rp.internal')).toMatch(/rp\.internal/)
  expect(await notes(...better, '--set', 'serviceMonitor.enabled=true')).toMatch(/NOTE: only pods of this/)
})

chartTest(
  'options and secrets arrive as they were written, and a change of either replaces the pods',
  async (it) => {
    const changed = (value: string) => it.render(...it.values('full'), '--set', value)
    const [objects, otherOption, otherSecret, otherKeys] = await Promise.all([
      it.render(...it.values('full')),
      changed('config.LOG_LEVEL=debug'),
      changed('secret.values.REDIS_PASSWORD=changed'),
      changed('signingKeys.value=other'),
    ])
    expect(optionsOf(objects)).toMatchObject({
      SESSION_LIFETIME_MS: '7776000000',
      RETRY_DOUBTFUL_DELAYS_MS: '31000,1200000',
      EGRESS_ALLOW: '10.0.0.0/8,rp.internal.example.com',
      EGRESS_ALLOW_HTTP: 'false',
    })
    const secrets = objects.filter(({ kind }) => kind === 'Secret').map(({ data }) => data)
    const decoded = secrets.flatMap((data) =>
      Object.values(data).map((value) => Buffer.from(value as string, 'base64').toString()),
    )
    expect(decoded).toContain('quotes " and $ signs')
    expect(decoded).toContain('not-a-key\nof two lines\n')
    const checksums = (them: KubernetesObject[]) =>
      only(them, 'Deployment').spec.template.metadata.annotations
    expect(checksums(otherOption)).not.toEqual(checksums(objects))
    expect(checksums(otherSecret)).not.toEqual(checksums(objects))
    // The relay reads new keys by itself.
    expect(checksums(otherKeys)).toEqual(checksums(objects))
  },
)

chartTest('the relay accepts what the chart hands to it', async (it) => {
  for (const name of ['minimal', 'full']) {
    const objects = await it.render(...it.values(name))
    const [secret] = objects.filter(({ kind, data }) => kind === 'Secret' && 'REDIS_URL' in data)
    const decoded = Object.entries(secret?.data as Record<string, string>).map(([option, value]) => [
      option,
      Buffer.from(value, 'base64').toString(),
    ])
    const notMounted = Object.entries(optionsOf(objects)).filter(([option]) => !option.endsWith('_FILE'))
    const config = readConfig({
      ...Object.fromEntries([...notMounted, ...decoded]),
      // Mounted in a pod.
      SIGNING_KEYS_FILE: import.meta.filename,
    })
    expect(config.redis.url).toBe('redis://redis:6379')
    expect(config.http.port).toBe(name === 'full' ? 9_000 : 8_080)
  }
})

chartTest(
  'several issuers are an issuers file with its keys beside it, which the relay reads',
  async (it) => {
    const args = it.values('many-issuers')
    const objects = await it.render(...args)
    const pod = podOf(objects)
    const mountOf = (volume: string) =>
      containerOf(objects).volumeMounts.find(({ name }: { name: string }) => name === volume)
    const folder = optionsOf(objects).ISSUERS_FILE
    expect(mountOf('issuers')).toEqual({ name: 'issuers', mountPath: folder, readOnly: true })
    expect(mountOf('issuer-keys')).toEqual({
      name: 'issuer-keys',
      mountPath: `${folder}/keys`,
      readOnly: true,
    })
    expect(pod.volumes).toContainEqual({
      name: 'issuer-keys',
      secret: { secretName: 'issuer-keys', defaultMode: 0o440 },
    })
    const made = objects.find(({ kind, data }) => kind === 'ConfigMap' && 'issuers.yaml' in data)
    expect(pod.volumes).toContainEqual({
      name: 'issuers',
      configMap: { name: made?.metadata.name, defaultMode: 0o444 },
    })

    const scratch = createScratchDirectory('issuers')
    try {
      const keys = ['shop.json', 'bank.json', 'tenant-{tenant}.json']
      const files = Object.fromEntries(keys.map((key) => [key, '{}']))
      await mounted(objects, scratch.path, { 'issuer-keys': files })
      const { settings } = await readIssuersFile(join(scratch.path, folder as string))
      expect(
        settings.map(({ keysFile }) => relative(join(scratch.path, folder as string), keysFile)),
      ).toEqual(keys.map((key) => `keys/${key}`))
      for (const { keysFile } of settings) expect(await readFile(keysFile, 'utf8')).toBe('{}')
      expect(settings[0]).toMatchObject({ aliases: ['shop', '0123'], retry: { maxAttempts: 9 } })
    } finally {
      await scratch.remove()
    }
    const policy = only(objects, 'NetworkPolicy').spec.egress.at(-1)
    expect(JSON.stringify(policy)).toContain('10.1.0.0/16')

    const changed = await it.render(...args, '--set', 'issuers.list[1].enabled=true')
    const annotations = (them: KubernetesObject[]) =>
      only(them, 'Deployment').spec.template.metadata.annotations
    expect(annotations(changed)).toEqual(annotations(objects))

    const existing = await it.render(...args, '--set', 'issuers.list=null,issuers.existingConfigMap=mine')
    expect(podOf(existing).volumes).toContainEqual({
      name: 'issuers',
      configMap: { name: 'mine', defaultMode: 0o444 },
    })
    expect(existing.filter(({ kind, data }) => kind === 'ConfigMap' && 'issuers.yaml' in data)).toEqual([])
  },
)

/** As the pod has it: each ConfigMap that the chart makes, and Secrets of others with these files, below a folder that stands for `/`. */
async function mounted(
  objects: KubernetesObject[],
  root: string,
  secrets: Record<string, Record<string, string>>,
): Promise<void> {
  for (const { name, mountPath } of containerOf(objects).volumeMounts) {
    const { configMap, secret } = podOf(objects).volumes.find((it: KubernetesObject) => it.name === name)
    const made = objects.find(
      ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === configMap?.name,
    )
    const files: Record<string, string> = made?.data ?? secrets[secret?.secretName] ?? {}
    for (const [key, text] of Object.entries(files)) {
      await mkdir(join(root, mountPath), { recursive: true })
      await writeFile(join(root, mountPath, key), text)
    }
  }
}

chartTest(
  'what is mounted for webhooks is what the relay reads: the sources, and their secrets and keys',
  async (it) => {
    const args = it.values('webhooks')
    const objects = await it.render(...args)
    const options = optionsOf(objects)
    const scratch = createScratchDirectory('intake')
    try {
      const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 })
      const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
      const credentials = { okta: 'a long secret', 'fusionauth.pem': pem, own: 'another secret' }
      await mounted(objects, scratch.path, { 'webhook-credentials': credentials })
      const topics = { names: options.KAFKA_TOPICS?.split(',') ?? [], patterns: [], excluded: [] }
      const { sources } = readIntakeFile(join(scratch.path, options.INTAKE_FILE as string), topics)
      expect(sources.map(({ keys, name, secrets }) => [name, secrets.map(String), keys.length])).toEqual([
        ['okta', ['a long secret'], 0],
        ['fusionauth', [], 1],
        ['own', ['another secret'], 0],
      ])
      expect(sources[2]).toMatchObject({
        verification: { kind: 'hmac', headers: ['x-signature'], algorithm: 'sha512', prefix: 'v1=' },
        keptHeaders: ['x-tenant'],
      })
      const { mappings } = readMappingFile(join(scratch.path, options.MAPPING_FILE as string))
      expect(mappings.map((mapping) => mapping.topics)).toEqual([['okta'], ['fusionauth']])
    } finally {
      await scratch.remove()
    }
    for (const { name } of podOf(objects).volumes)
      expect(containerOf(objects).volumeMounts).toContainEqual(
        expect.objectContaining({ name, readOnly: true }),
      )

    const annotations = (them: KubernetesObject[]) =>
      only(them, 'Deployment').spec.template.metadata.annotations
    expect(annotations(await it.render(...args, '--set', 'intake.list[0].header=X-Key'))).toEqual(
      annotations(objects),
    )
    const existing = 'intake.list=null,intake.existingConfigMap=mine,intake.key=sources.json'
    const others = await it.render(...args, '--set', existing)
    expect(basename(optionsOf(others).INTAKE_FILE as string)).toBe('sources.json')
    expect(podOf(others).volumes).toContainEqual({
      name: 'intake',
      configMap: { name: 'mine', defaultMode: 0o444 },
    })
  },
)

const refusedIntake: Record<string, [values: string, message: RegExp]> = {
  'two lists of sources': ['intake.existingConfigMap=mine', /intake.list exclude each other/],
  'another file': ['config.INTAKE_FILE=/x', /config.INTAKE_FILE and intake exclude/],
  'a port without sources': [
    'intake.list=null,intake.credentialsSecret=',
    /required, but not set: intake.list/,
  ],
  'credentials without sources': ['intake.list=null', /credentialsSecret has no effect/],
  'sources without credentials': [
    'intake.credentialsSecret=',
    /required, but not set: intake.credentialsSecret/,
  ],
  'a misspelt key': ['intake.list[0].platfrom=okta', /platfrom/],
}

for (const [what, [values, message]] of Object.entries(refusedIntake)) {
  chartTest(`of webhooks it refuses ${what}`, async (it) => {
    await expect(it.render(...it.values('webhooks'), '--set', values)).rejects.toThrow(message)
  })
}

chartTest('rules are a mapping file, which the relay reads, and which needs no restart', async (it) => {
  const args = it.values('mapping')
  const objects = await it.render(...args)
  const file = optionsOf(objects).MAPPING_FILE as string
  expect(containerOf(objects).volumeMounts).toContainEqual({
    name: 'mapping',
    mountPath: dirname(file),
    readOnly: true,
  })
  const made = objects.find(({ kind, data }) => kind === 'ConfigMap' && 'mapping.yaml' in data)
  expect(podOf(objects).volumes).toContainEqual({
    name: 'mapping',
    configMap: { name: made?.metadata.name, defaultMode: 0o444 },
  })
  const scratch = createScratchDirectory('mapping')
  try {
    const path = join(scratch.path, basename(file))
    await writeFile(path, made?.data[basename(file)])
    const [mapping] = readMappingFile(path).mappings
    expect(mapping?.topics).toEqual(['keycloak.events.*'])
    expect(mapping?.rules.map(({ name }) => name)).toEqual(expect.arrayContaining(['own', 'logout']))
  } finally {
    await scratch.remove()
  }
  // Of all topics of the group: a pattern is none.
  const { triggers } = only(objects, 'ScaledObject').spec
  expect(triggers).toHaveLength(1)
  expect(triggers[0].metadata).not.toHaveProperty('topic')

  const annotations = (them: KubernetesObject[]) =>
    only(them, 'Deployment').spec.template.metadata.annotations
  const changed = await it.render(...args, '--set', 'mapping.list[0].causes={logout}')
  expect(annotations(changed)).toEqual(annotations(objects))
  const existing = 'mapping.list=null,mapping.existingConfigMap=mine,mapping.key=rules.json'
  const others = await it.render(...args, '--set', existing)
  expect(basename(optionsOf(others).MAPPING_FILE as string)).toBe('rules.json')
  expect(podOf(others).volumes).toContainEqual({
    name: 'mapping',
    configMap: { name: 'mine', defaultMode: 0o444 },
  })
  for (const values of ['mapping.existingConfigMap=mine', 'config.MAPPING_FILE=/x'])
    await expect(it.render(...args, '--set', values)).rejects.toThrow(/exclude each other/)
})

const refusedIssuers: Record<string, [values: string, message: RegExp]> = {
  'two sources': ['issuers.existingConfigMap=mine', /exclude each other/],
  'an issuer beside them': ['config.ISSUER=https://login.example.com', /config.ISSUER and issuers exclude/],
  'keys of one issuer beside them': ['signingKeys.existingSecret=keys', /signingKeys and issuers exclude/],
  'no keys': ['issuers.keysSecret=', /required, but not set: issuers.keysSecret/],
  'a misspelt key': ['issuers.list[0].alais=x', /alais/],
  'keys without issuers': ['issuers.list=null', /has no effect/],
}

for (const [what, [values, message]] of Object.entries(refusedIssuers)) {
  chartTest(`of several issuers it refuses ${what}`, async (it) => {
    await expect(it.render(...it.values('many-issuers'), '--set', values)).rejects.toThrow(message)
  })
}

chartTest('replicas follow CPU or lag or nothing; then the Deployment names no number', async (it) => {
  const [fixed, cpu, lag] = await Promise.all(
    ['minimal', 'full', 'keda'].map((name) => it.render(...it.values(name))),
  )
  expect(only(fixed as KubernetesObject[], 'Deployment').spec.replicas).toBe(2)
  for (const objects of [cpu, lag] as KubernetesObject[][]) {
    expect(only(objects, 'Deployment').spec).not.toHaveProperty('replicas')
  }
  expect(kindsOf(cpu as KubernetesObject[])).toContain('HorizontalPodAutoscaler')
  expect(kindsOf(cpu as KubernetesObject[])).not.toContain('ScaledObject')
  expect(kindsOf(lag as KubernetesObject[])).not.toContain('HorizontalPodAutoscaler')
  const { triggers } = only(lag as KubernetesObject[], 'ScaledObject').spec
  expect(triggers.map(({ metadata }: KubernetesObject) => metadata)).toEqual(
    ['session-events', 'session-registrations'].map((topic) => ({
      topic,
      bootstrapServers: 'kafka:9093',
      consumerGroup: 'relay-eu',
      lagThreshold: '500',
      offsetResetPolicy: 'latest',
      tls: 'enable',
      sasl: 'scram_sha512',
    })),
  )
  const login = only(lag as KubernetesObject[], 'TriggerAuthentication').spec.secretTargetRef
  expect(login.map(({ key }: { key: string }) => key)).toEqual(['KAFKA_SASL_PASSWORD', 'KAFKA_SASL_USERNAME'])
})

chartTest('alerts and dashboard are those of the chart', async (it) => {
  const objects = await it.render(...it.values('full'))
  const rules = only(objects, 'PrometheusRule').spec.groups.flatMap(({ rules }: KubernetesObject) => rules)
  const alerts = [...chartFile('rules/alerts.yaml').matchAll(/- alert: (\w+)/g)].map(([, name]) => name)
  const disabled = 'LogoutRelayUnknownIssuer'
  expect(rules.map(({ alert }: { alert: string }) => alert)).toEqual(alerts.filter((it) => it !== disabled))
  const dashboard = objects.find(({ data }) => data !== undefined && 'logout-relay.json' in data)
  expect(JSON.parse(dashboard?.data['logout-relay.json'])).toEqual(
    JSON.parse(chartFile('dashboards/logout-relay.json')),
  )
})

const refused: Record<string, [values: string, message: RegExp]> = {
  'a misspelt option': ['config.KAFKA_BROKER=kafka:9092', /KAFKA_BROKER/],
  'a secret among the options': ['config.REDIS_URL=redis://redis', /REDIS_URL/],
  'a misspelt value': ['replicas=3', /replicas/],
  'a misspelt value further down': ['service.ports=3', /ports/],
  'an option out of range': ['config.PORT=70000', /PORT.*65535/s],
  'an option of the wrong type': ['config.KAFKA_TLS=maybe', /KAFKA_TLS/],
  'an option that is none of the allowed': ['config.LOG_LEVEL=loud', /LOG_LEVEL/],
  'a port that nobody knows': ['config.PORT=0', /PORT must not be 0/],
  'a port for webhooks that nobody knows': ['config.INTAKE_PORT=0', /INTAKE_PORT must not be 0/],
  'sources of webhooks without a port': ['intake.existingConfigMap=mine', /intake has no effect without/],
  'a port that only the pod itself reaches': ['config.BIND_ADDRESS=127.0.0.1', /must not be a loopback/],
  'a secret from two places': ['config.REDIS_URL_FILE=/x', /REDIS_URL_FILE and secret exclude each other/],
  'two autoscalers': ['autoscaling.enabled=true,keda.enabled=true', /exclude each other/],
  'signing keys from two places': ['signingKeys.existingSecret=other', /exclude each other/],
  'a configuration without an issuer': ['config.ISSUER=', /required, but not set: config.ISSUER/],
  'a configuration without Redis': ['secret.values.REDIS_URL=null', /secret\.values\.REDIS_URL/],
  'a section with nothing under it': ['config=null', /config is required/],
  'an alert to leave out that does not exist': [
    'prometheusRule.enabled=true,prometheusRule.disabled[0]=LogoutRelayUnknown',
    /there is no alert LogoutRelayUnknown/,
  ],
  'secrets with nothing under them': ['secret.values=null', /values is required/],
}

for (const [what, [values, message]] of Object.entries(refused)) {
  chartTest(`it refuses ${what}`, async (it) => {
    await expect(it.render(...it.values('minimal'), '--set', values)).rejects.toThrow(message)
  })
}
