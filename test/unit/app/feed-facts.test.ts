import { expect, test } from 'vitest'
import { feedFacts } from '../../../src/app/feed-facts.ts'
import { feedChecks } from '../../../src/diagnosis/feed-files.ts'
import { compileRules } from '../../../src/events/decoding/mapping/compile-rules.ts'
import type { Mapping } from '../../../src/events/decoding/mapping/mapping.ts'
import { InputTopics } from '../../../src/intake/input-topics.ts'
import { troubles } from '../diagnosis/sample-facts.ts'

const SHOP = 'https://shop.example'

/** `issuer`: the field, as a mapping file has it. */
function mapping(topics: readonly string[], issuer?: string): Mapping {
  const fields = { userId: '/u', ...(issuer !== undefined && { issuer }) }
  const emit = [{ type: 'user-signed-out', path: ['emit'], fields } as const]
  return { topics, rules: compileRules([{ name: 'out', when: 'value.x == 1', emit }]).rules }
}

const one = {
  only: SHOP as string | undefined,
  resolve: (name = SHOP) => (name === 'realm:shop' ? SHOP : name),
  knows: (id: string) => id === SHOP,
}
const several = { ...one, only: undefined }

async function found(
  mappings: readonly Mapping[],
  { issuers = one, names = ['a'], patterns = [] as string[] } = {},
) {
  const inputs = new InputTopics(
    { names, patterns, excluded: [] },
    { names: async () => ['kc.one', 'kc.two', 'webhooks.okta'] },
  )
  await inputs.look()
  const facts = feedFacts({ inputs, issuers, mappings })
  const checks = feedChecks({ issuers: () => [SHOP] })
  return troubles(checks.flatMap(({ find, name }) => find(facts).map((it) => ({ ...it, check: name }))))
}

test('rules for topics that nobody reads are named, whether a name, a pattern, or what another mapping has', async () => {
  expect(await found([mapping(['a']), mapping(['kc.*'])], { patterns: ['kc.*'] })).toEqual([])
  const told = await found(
    [mapping(['a', 'b']), mapping(['other.*']), mapping(['kc.one']), mapping(['kc.o*'])],
    {
      patterns: ['kc.*'],
    },
  )
  expect(told).toMatchObject(
    ['b', 'other.*', 'kc.o*'].map((about) => ({ check: 'mapping-topics', severity: 'warning', about })),
  )
})

test('a pattern that KAFKA_TOPICS has as well is told of there, when nothing matches it', async () => {
  expect(await found([mapping(['none.*'])], { patterns: ['none.*'] })).toEqual([])
})

test('an issuer that the relay does not serve is named with its rules, and an alias is none', async () => {
  expect(await found([mapping(['a'], '"realm:shop"')])).toEqual([])
  expect(await found([mapping(['a'], `"${SHOP}/"`)])).toMatchObject([
    {
      check: 'mapping-issuer',
      severity: 'warning',
      text: expect.stringMatching(/out for a .*shop\.example\/,/),
    },
  ])
  expect(await found([mapping(['a'], '/realm')])).toEqual([])
})

test('rules that name no issuer are a mistake where there are several, and none where there is one', async () => {
  expect(await found([mapping(['a'])])).toEqual([])
  expect(await found([mapping(['a'])], { issuers: several })).toMatchObject([
    { check: 'mapping-issuer', severity: 'warning', text: expect.stringContaining('dead letters') },
  ])
  expect(await found([mapping(['a'], '/realm')], { issuers: several })).toEqual([])
})
