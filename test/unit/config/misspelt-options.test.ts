import { expect, test } from 'vitest'
import { misspeltOptions } from '../../../src/config/misspelt-options.ts'
import { optionsSchema } from '../../../src/config/options.ts'
import { secretOptions } from '../../../src/config/secret-files.ts'

test.each([
  ['EGRES_ALLOW', 'EGRESS_ALLOW'],
  ['EGRESS_ALLOWED', 'EGRESS_ALLOW'],
  ['KAFKA_TOPIC', 'KAFKA_TOPICS'],
  ['KAFKA_TOPCIS', 'KAFKA_TOPICS'],
  ['KAFKA_BROKER', 'KAFKA_BROKERS'],
  ['KAFKA_BROKERS_FILE', 'KAFKA_BROKERS'],
  ['KAFKA_BOOTSTRAP_SERVERS', 'KAFKA_BROKERS'],
  ['KAFKA_BROKER_LIST', 'KAFKA_BROKERS'],
  ['KAFKA_CONSUMER_GROUP', 'KAFKA_GROUP_ID'],
  ['KAFKA_GROUP', 'KAFKA_GROUP_ID'],
  ['KAFKA_PASSWORD', 'KAFKA_SASL_PASSWORD'],
  ['KAFKA_USER', 'KAFKA_SASL_USERNAME'],
  ['KAFKA_SASL_PASSWORD_FILES', 'KAFKA_SASL_PASSWORD'],
  ['KAFKA_SSL_CA', 'KAFKA_TLS_CA_FILE'],
  ['REDIS_URI', 'REDIS_URL'],
  ['REDIS_HOST', 'REDIS_URL'],
  ['REDIS_PORT', 'REDIS_URL'],
  ['REDIS_USER', 'REDIS_USERNAME'],
  ['REDIS_PASS', 'REDIS_PASSWORD'],
  ['REDIS_KEY_PREFIX', 'REDIS_PREFIX'],
  ['SIGNING_KEY_FILE', 'SIGNING_KEYS_FILE'],
  ['SIGNING_KEYS', 'SIGNING_KEYS_FILE'],
  ['RETRY_DEADLINE', 'RETRY_DEADLINE_MS'],
  ['RETRY_DEADLINE_SECONDS', 'RETRY_DEADLINE_MS'],
  ['RETRY_ATTEMPTS', 'RETRY_MAX_ATTEMPTS'],
  ['BREAKER_FAILURE', 'BREAKER_FAILURES'],
  ['ATTEMPT_TIMEOUT', 'ATTEMPT_TIMEOUT_MS'],
  ['MAX_INFLIGHT', 'MAX_IN_FLIGHT'],
  ['CLIENT_HOST', 'CLIENT_HOSTS'],
  ['ISSUERS', 'ISSUER'],
  ['ISSUER_URL', 'ISSUER'],
  ['CLIENT_HOSTS_FILE', 'CLIENT_HOSTS'],
  ['KAFKA_TLS_ENABLED', 'KAFKA_TLS'],
  ['KAFKA_SASL_MECHANISMS', 'KAFKA_SASL_MECHANISM'],
  ['DRAIN', 'DRAIN_MS'],
  ['PROT', 'PORT'],
  ['LOGLEVEL', 'LOG_LEVEL'],
  ['kafka_topics', 'KAFKA_TOPICS'],
  ['kafka.brokers', 'KAFKA_BROKERS'],
  ['LOGOUT_RELAY_ISSUER', 'ISSUER'],
  ['LOGOUT_RELAY_KAFKA_TOPIC', 'KAFKA_TOPICS'],
])('%s is taken for %s', (name, meant) => {
  expect(misspeltOptions({ [name]: 'x-secret-value' })).toEqual([{ name, meant }])
})

test('every option with a letter left out, or two swapped, is named', () => {
  for (const option of Object.keys(optionsSchema.shape)) {
    const slips = [...option].flatMap((letter, i) => {
      const [before, after] = [option.slice(0, i), option.slice(i + 1)]
      return [before + after, before + after.slice(0, 1) + letter + after.slice(1)]
    })
    const env = Object.fromEntries(slips.filter((it) => it !== option).map((slip) => [slip, 'x']))
    for (const [name, value] of Object.entries(env))
      expect(misspeltOptions({ [name]: value }), name).toEqual([{ name, meant: option }])
  }
})

test('what only begins as an option does is named without a guess', () => {
  expect(misspeltOptions({ KAFKA_FLAVOUR: 'x' })).toEqual([{ name: 'KAFKA_FLAVOUR', meant: undefined }])
})

test('options, and the files of secret ones, are spelt right', () => {
  const names = [...Object.keys(optionsSchema.shape), ...secretOptions.map((name) => `${name}_FILE`)]
  expect(misspeltOptions(Object.fromEntries(names.map((name) => [name, 'x'])))).toEqual([])
})

/** What Kubernetes says of a service in every container of its namespace. */
function serviceLinks(service: string, port: number): Record<string, string> {
  const name = service.toUpperCase().replaceAll('-', '_')
  return {
    [`${name}_SERVICE_HOST`]: '10.96.0.7',
    [`${name}_SERVICE_PORT`]: String(port),
    [`${name}_SERVICE_PORT_TCP_MAIN`]: String(port),
    [`${name}_PORT`]: `tcp://10.96.0.7:${port}`,
    [`${name}_PORT_${port}_TCP`]: `tcp://10.96.0.7:${port}`,
    [`${name}_PORT_${port}_TCP_PROTO`]: 'tcp',
    [`${name}_PORT_${port}_TCP_PORT`]: String(port),
    [`${name}_PORT_${port}_TCP_ADDR`]: '10.96.0.7',
  }
}

test('variables of a container in Kubernetes, and of other programs, are none of ours', () => {
  const services = ['kubernetes', 'redis', 'redis-master', 'redis-url', 'kafka', 'kafka-brokers', 'kafka-ui']
  services.push('logout-relay', 'issuer', 'retry', 'egress', 'egress-allow', 'breaker', 'signing-keys', 'log')
  const others = [
    ...[
      'HOME',
      'HOSTNAME',
      'HOST',
      'LANG',
      'LC_ALL',
      'LOGNAME',
      'OLDPWD',
      'PATH',
      'PWD',
      'SHLVL',
      'TERM',
      'TZ',
    ],
    ...['USER', '_', 'NODE_ENV', 'NODE_VERSION', 'NODE_OPTIONS', 'NODE_EXTRA_CA_CERTS', 'NODE_COMPILE_CACHE'],
    ...[
      'NODE_NAME',
      'POD_NAME',
      'POD_IP',
      'POD_NAMESPACE',
      'NAMESPACE',
      'HOST_IP',
      'YARN_VERSION',
      'UV_THREADPOOL_SIZE',
    ],
    ...['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'no_proxy', 'ALL_PROXY'],
    ...['npm_config_loglevel', 'npm_lifecycle_event', 'npm_package_version', 'INIT_CWD', 'MALLOC_ARENA_MAX'],
    ...[
      'OTEL_SERVICE_NAME',
      'OTEL_LOG_LEVEL',
      'OTEL_EXPORTER_OTLP_ENDPOINT',
      'OTEL_EXPORTER_OTLP_PORT',
      'DD_AGENT_HOST',
    ],
    ...[
      'AWS_REGION',
      'AWS_ROLE_ARN',
      'AZURE_CLIENT_ID',
      'GOOGLE_APPLICATION_CREDENTIALS',
      'VAULT_ADDR',
      'SSL_CERT_FILE',
    ],
    ...[
      'CLIENT_ID',
      'CLIENT_SECRET',
      'SESSION_SECRET',
      'TOKEN',
      'TOKEN_FILE',
      'LOG_FORMAT',
      'LOG_DIR',
      'MAX_MEMORY',
      'DEBUG',
    ],
    ...[
      'KAFKA_HOME',
      'KAFKA_OPTS',
      'KAFKA_HEAP_OPTS',
      'KAFKA_JVM_PERFORMANCE_OPTS',
      'KAFKA_LOG4J_OPTS',
      'KAFKA_JMX_PORT',
    ],
    ...[
      'KAFKA_JMX_OPTS',
      'KAFKA_GC_LOG_OPTS',
      'KAFKA_VERSION',
      'KAFKA_DEBUG',
      'KAFKA_LOG_DIRS',
      'KAFKA_NODE_ID',
      'KAFKA_BROKER_ID',
    ],
    ...[
      'KAFKA_LISTENERS',
      'KAFKA_ADVERTISED_LISTENERS',
      'KAFKA_LISTENER_SECURITY_PROTOCOL_MAP',
      'KAFKA_ZOOKEEPER_CONNECT',
    ],
    ...[
      'KAFKA_PROCESS_ROLES',
      'KAFKA_CONTROLLER_QUORUM_VOTERS',
      'KAFKA_INTER_BROKER_LISTENER_NAME',
      'KAFKA_CFG_NODE_ID',
    ],
    ...[
      'KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR',
      'KAFKA_AUTO_CREATE_TOPICS_ENABLE',
      'KAFKA_CLUSTERS_0_BOOTSTRAPSERVERS',
    ],
    ...[
      'KAFKA_NUM_PARTITIONS',
      'KAFKA_MIN_INSYNC_REPLICAS',
      'KAFKA_TRANSACTION_STATE_LOG_MIN_ISR',
      'KAFKA_SSL_KEYSTORE_LOCATION',
    ],
    ...[
      'REDIS_VERSION',
      'REDIS_DOWNLOAD_URL',
      'REDIS_DOWNLOAD_SHA',
      'REDIS_ARGS',
      'REDIS_REPLICATION_MODE',
      'REDISCLI_AUTH',
    ],
    ...['REDIS_MASTER_HOST', 'REDIS_AOF_ENABLED', 'REDIS_PORT_NUMBER', 'REDIS_EXPORTER_LOG_FORMAT'],
  ]
  expect(
    misspeltOptions({
      ...Object.fromEntries(others.map((name) => [name, 'x'])),
      ...Object.assign({}, ...services.map((service, i) => serviceLinks(service, 6_379 + i))),
    }),
  ).toEqual([])
})

test('what an option was put together from is no misspelt one, and neither is what is empty', () => {
  const env = { REDIS_HOST: 'redis.prod', REDIS_PORT: '6379', REDIS_DB: '', KAFKA_HOST: 'kafka' }
  const names = (more: Record<string, string>) => misspeltOptions({ ...env, ...more }).map(({ name }) => name)
  expect(names({ REDIS_URL: 'rediss://redis.prod:6379/0', KAFKA_BROKERS: 'kafka:9092' })).toEqual([])
  expect(names({ REDIS_URL: 'redis://my-redis.prod:16379', KAFKA_BROKERS: 'my-kafka:9092' })).toEqual([
    'REDIS_HOST',
    'REDIS_PORT',
    'KAFKA_HOST',
  ])
})

test('a name of a thousand letters is cut, and there are not more than twenty', () => {
  const many = Object.fromEntries(
    Array.from({ length: 50 }, (_, i) => [`KAFKA_${'X'.repeat(1_000)}${i}`, 'x']),
  )
  const found = misspeltOptions(many)
  expect(found).toHaveLength(20)
  expect(found[0]?.name).toHaveLength(100)
})
