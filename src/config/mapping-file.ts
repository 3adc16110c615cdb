import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { clientConfiguredData, clientRemovedData } from '../events/client.ts'
import type { KnownType } from '../events/decoding/known-types.ts'
import { compileRules } from '../events/decoding/mapping/compile-rules.ts'
import type { Mapping } from '../events/decoding/mapping/mapping.ts'
import {
  type Cause,
  causes,
  type FieldEntry,
  type Rule,
  type RuleEntry,
} from '../events/decoding/mapping/rules.ts'
import { identifier } from '../events/identifier.ts'
import { registrationData } from '../events/read-registration.ts'
import { isTopic } from '../events/topic-selection.ts'
import { sessionTerminatedData, userSignedOutData } from '../events/trigger.ts'
import { type KnownKeys, type PlacedProblem, readDocument, typeProblem } from './document-problems.ts'
import { type DocumentPath, readYamlDocument } from './yaml-document.ts'

export interface MappingFile {
  readonly mappings: readonly Mapping[]
  /** Of its bytes: as long as it is the same, so are the mappings. */
  readonly contentHash: string
}

/** Rules that come with the relay, by the name of their platform. */
export const presets = ['keycloak', 'zitadel', 'fusionauth', 'wso2', 'auth0', 'okta', 'ory'] as const
export type Preset = (typeof presets)[number]

/** Each of them may be looked at for each record. */
const RULES_MAX = 500
/** One name per type, and what it stands for. */
const TYPES: Readonly<Record<string, { readonly type: KnownType; readonly fields: z.ZodObject }>> = {
  'session-terminated': { type: 'session-terminated', fields: sessionTerminatedData },
  'user-signed-out': { type: 'user-signed-out', fields: userSignedOutData },
  registration: { type: 'backchannel-logout-registered', fields: registrationData },
  client: { type: 'client-configured', fields: clientConfiguredData },
  'client-removed': { type: 'client-removed', fields: clientRemovedData },
}
/** Filled in where no rule says anything of it. */
const FILLED = new Set(['oidcSessionId'])

const expression = z.string().min(1, 'must not be empty').max(4_000, 'must have at most 4,000 characters')
const scalar = z.union([expression, z.boolean(), z.number()])
const field = z.union(
  [scalar, z.array(scalar).min(1, 'must name at least one')],
  'must be a JSON pointer, an expression, or a list of them',
)
const emit = z.looseObject({ type: z.enum(Object.keys(TYPES) as [string, ...string[]]) })
const pointer = z.string().regex(/^(\/([^~/]|~[01])*)*$/, 'must be a JSON pointer')
const rule = z.strictObject({
  name: z.string().min(1).max(100).optional(),
  when: expression,
  for: expression.optional(),
  cause: z.enum(causes).optional(),
  emit: z.union(
    [emit, z.array(emit), z.literal('nothing')],
    'must be what to emit, a list of that, or nothing',
  ),
})
const topics = z
  .array(z.string().regex(/^[\w.*-]{1,249}$/, 'must be a topic, or a pattern with *'))
  .min(1, 'must name at least one topic')
const mapping = z.strictObject({
  topics,
  preset: z.enum(presets).optional(),
  issuer: identifier.optional(),
  split: pointer.optional(),
  causes: z.array(z.enum(causes)).min(1, 'must name at least one; leave it out for the default').optional(),
  rules: z.array(rule).max(RULES_MAX, `must have at most ${RULES_MAX}`).optional(),
})
const document = z.strictObject({ mappings: z.array(mapping).min(1, 'must have at least one') })
const presetDocument = z.strictObject({
  split: pointer.optional(),
  causes: z.array(z.enum(causes)),
  rules: z.array(rule),
})

const KEYS: KnownKeys = {
  '': Object.keys(document.shape),
  mappings: Object.keys(mapping.shape),
  rules: Object.keys(rule.shape),
}

type RuleDocument = z.infer<typeof rule>

/** Reads, checks and compiles the rules in a file of YAML or JSON. Throws `LR_MAPPING_INVALID` with a line per problem. */
export function readMappingFile(path: string): MappingFile {
  const { bytes, data, refuse } = readDocument(path, {
    code: 'LR_MAPPING_INVALID',
    known: KEYS,
    schema: document,
  })
  const contentHash = createHash('sha256').update(bytes).digest('hex')
  const problems: PlacedProblem[] = []
  const mappings = data.mappings.map(
    ({ topics, preset, issuer, split, causes: wanted, rules = [] }, i): Mapping => {
      const at = (below: DocumentPath): DocumentPath => ['mappings', i, ...below]
      if (preset === undefined && rules.length === 0) {
        problems.push({ path: at([]), text: 'has neither a preset nor rules' })
      }
      problems.push(...namedTwice(rules).map((it) => ({ ...it, path: at(['rules', ...it.path]) })))
      const own = compile(rules, issuer, preset !== undefined)
      problems.push(...own.problems.map((it) => ({ ...it, path: at(['rules', ...it.path]) })))
      if (issuer !== undefined)
        problems.push(...issuersOfRules(rules).map((it) => ({ ...it, path: at(['rules', ...it.path]) })))
      const ofPreset = preset === undefined ? undefined : readPreset(preset, issuer)
      const all = [...own.rules, ...(ofPreset?.rules ?? [])]
      problems.push(
        ...unknownCauses(wanted, [...rules, ...(ofPreset?.rules ?? [])]).map((it) => ({
          ...it,
          path: at(['causes', ...it.path]),
        })),
      )
      const chosen = [
        ...rulesOf(own.rules, wanted),
        ...rulesOf(ofPreset?.rules ?? [], wanted ?? ofPreset?.causes),
      ]
      if (chosen.length === 0 && all.length > 0)
        problems.push({ path: at(['causes']), isOfKey: true, text: 'leaves none of the rules' })
      return { topics, split: split ?? ofPreset?.split, rules: chosen }
    },
  )
  problems.push(...topicsOfEarlier(data.mappings))
  refuse(problems)
  return { mappings, contentHash }
}

function rulesOf(rules: readonly Rule[], wanted: readonly Cause[] | undefined): Rule[] {
  return rules.filter(({ cause }) => cause === undefined || wanted === undefined || wanted.includes(cause))
}

function unknownCauses(
  wanted: readonly Cause[] = [],
  rules: readonly { readonly cause?: Cause | undefined }[],
): PlacedProblem[] {
  const known = new Set(rules.flatMap(({ cause }) => cause ?? []))
  return wanted.flatMap((cause, i) =>
    known.has(cause)
      ? []
      : [{ path: [i], text: `no rule has the cause ${cause}; there are ${[...known].join(', ') || 'none'}` }],
  )
}

/** Whoever reads counts, dead letters or findings could not tell them apart. */
function namedTwice(rules: readonly RuleDocument[]): PlacedProblem[] {
  const names = rules.map(({ name }, i) => name ?? String(i + 1))
  return names.flatMap((name, i) =>
    names.indexOf(name) === i
      ? []
      : [{ path: [i, 'name'], text: `${name} is the name of another rule of this mapping` }],
  )
}

/** Whichever of the two counted, sessions of another issuer might end. */
function issuersOfRules(rules: readonly RuleDocument[]): PlacedProblem[] {
  return rules.flatMap(({ emit: written }, i) =>
    (written === 'nothing' ? [] : [written].flat()).flatMap((it, j): PlacedProblem[] => {
      const path: DocumentPath = [i, 'emit', ...(Array.isArray(written) ? [j] : []), 'issuer']
      return Object.hasOwn(it, 'issuer')
        ? [
            {
              path,
              isOfKey: true,
              text: 'the mapping has an `issuer` for all its records; leave out one of the two',
            },
          ]
        : []
    }),
  )
}

/** The rules of a preset, with the causes that count unless others are chosen. `issuer`: the only one of the records. */
export function readPreset(name: Preset, issuer?: string) {
  const url = new URL(`../events/decoding/mapping/presets/${name}.yaml`, import.meta.url)
  const { causes, rules, split } = presetDocument.parse(readYamlDocument(readFileSync(url, 'utf8')).value)
  const compiled = compile(rules, issuer)
  if (compiled.problems.length > 0)
    throw new Error(
      `preset ${name}: ${compiled.problems.map(({ path, text }) => `${path.join('.')}: ${text}`).join('; ')}`,
    )
  return { causes, split, rules: compiled.rules.map((it) => ({ ...it, isOfPreset: true })) }
}

function compile(rules: readonly RuleDocument[], issuer: string | undefined, isGoingOn = false) {
  const problems: PlacedProblem[] = []
  const entries = rules.map((it, i): RuleEntry => {
    const written = it.emit === 'nothing' ? [] : [it.emit].flat()
    const isList = Array.isArray(it.emit)
    return {
      name: it.name ?? String(i + 1),
      when: it.when,
      each: it.for,
      cause: it.cause,
      emit: written.flatMap(({ type: name, ...fields }, j) => {
        const known = TYPES[name]
        if (known === undefined) return []
        const path = ['emit', ...(isList ? [j] : [])]
        problems.push(...fieldProblems(known.fields, fields, [i, ...path]))
        const of = issuer === undefined ? {} : { issuer: JSON.stringify(issuer) }
        return [{ type: known.type, path, fields: { ...(fields as Record<string, FieldEntry>), ...of } }]
      }),
    }
  })
  if (problems.length > 0) return { rules: [], problems }
  const compiled = compileRules(entries, isGoingOn)
  const constants = compiled.constants.flatMap(({ path, type, name, value }): PlacedProblem[] => {
    const known = Object.values(TYPES).find((it) => it.type === type)
    const { error } = known?.fields.shape[name]?.safeParse(value) ?? {}
    return error === undefined ? [] : [{ path, text: error.issues[0]?.message ?? '' }]
  })
  return { rules: compiled.rules, problems: [...compiled.problems, ...constants] as PlacedProblem[] }
}

function fieldProblems(schema: z.ZodObject, fields: object, path: DocumentPath): PlacedProblem[] {
  const known = [
    ...Object.keys(schema.shape),
    'id',
    'time',
    // Of a registration, or of all sessions of a user, it would say nothing.
    ...('sessionId' in fields && !('clientId' in schema.shape) ? ['cutOff'] : []),
  ]
  const missing = Object.entries(schema.shape)
    .filter(
      ([name, it]) => !it.safeParse(undefined).success && !Object.hasOwn(fields, name) && !FILLED.has(name),
    )
    .map(([name]) => ({ path, text: `has no ${name}` }))
  const wrong = Object.entries(fields).flatMap(([name, value]): PlacedProblem[] => {
    if (!known.includes(name))
      return [
        { path: [...path, name], isOfKey: true, text: `is no field of it; there are ${known.join(', ')}` },
      ]
    const { error } = field.safeParse(value, { error: typeProblem })
    return error === undefined ? [] : [{ path: [...path, name], text: error.issues[0]?.message ?? '' }]
  })
  return [...missing, ...wrong]
}

/** A topic belongs to the first mapping that names it, so these are never used. */
function topicsOfEarlier(mappings: readonly { readonly topics: readonly string[] }[]): PlacedProblem[] {
  return mappings.flatMap(({ topics }, i) =>
    topics.flatMap((topic, j): PlacedProblem[] => {
      const above = mappings.slice(0, i).flatMap((it) => it.topics)
      // What stands for the characters of a pattern is matched by another pattern's `*` alone.
      const isCovered = (by: string) => isTopic(by, topic.replaceAll('*', '\n'))
      const covering = above.find(isCovered) ?? topics.slice(0, j).find((it) => it === topic)
      if (covering === undefined) return []
      const text = `is mapped above as ${covering}, and the first mapping of a topic counts; put it above, or leave it out`
      return [{ path: ['mappings', i, 'topics', j], text }]
    }),
  )
}
