import type { RegistryFailure } from '../schemas/registry-answer.ts'
import type { SchemaRegistryFacts } from '../schemas/schema-registry.ts'
import type { Check } from './check.ts'
import { error, type Found, ok, warning } from './finding.ts'
import { networkFault } from './network-fault.ts'

/** `undefined`: none is configured. */
function checkSchemaRegistry(facts: SchemaRegistryFacts | undefined): Found[] {
  if (facts === undefined) return [ok('no schema registry is configured')]
  const { asked, failure, isAwaited, unusable, url } = facts
  if (failure !== undefined) {
    const { what, remedy } = explained(failure)
    const text = `the schema registry ${url}: ${what} (asked for /${asked})`
    return [
      isAwaited
        ? error(`${text}; records wait for it, with all that stand behind them`, remedy)
        : warning(`${text}; the next record in Avro would wait for it`, remedy),
    ]
  }
  if (unusable.length === 0) return [ok(`the schema registry ${url} answers (asked for /${asked})`)]
  return unusable.map(({ schema, problem }) =>
    warning(
      `${schema}, with which records of the input topics are written, ${problem}: they become dead letters`,
      'register it, or correct SCHEMA_REGISTRY_URL; then run logout-relay replay --dead-letters to send the records again',
      schema,
    ),
  )
}

function explained(failure: RegistryFailure): { what: string; remedy: string } {
  switch (failure.kind) {
    case 'network':
      return networkFault(failure.code, failure.message, { ca: 'SCHEMA_REGISTRY_TLS_CA_FILE' })
    case 'no-registry':
      return {
        what: 'what answers there is no schema registry',
        remedy: 'correct SCHEMA_REGISTRY_URL: it ends where the registry has /schemas',
      }
    case 'status':
      return ofStatus(failure.status)
    default:
      return failure satisfies never
  }
}

function ofStatus(status: number): { what: string; remedy: string } {
  const what = `it answers ${status}`
  if (status === 401 || status === 403) {
    const login = 'correct SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD'
    return { what: `${what}: it refuses the login`, remedy: `${login}, or let that user read the schemas` }
  }
  if (status >= 300 && status < 400)
    return { what: `${what}: it redirects`, remedy: 'set SCHEMA_REGISTRY_URL to where it redirects to' }
  return { what, remedy: 'read the log of the schema registry, or of the proxy in front of it' }
}

export const schemaChecks: readonly Check<SchemaRegistryFacts | undefined>[] = [
  { name: 'schema-registry', runs: 'always', find: checkSchemaRegistry },
]
