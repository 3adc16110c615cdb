import { counted, wordFor } from '../lib/counted.ts'
import { timeText } from '../lib/time-text.ts'
import type { Check } from './check.ts'
import type { RuleFacts, RuleUse } from './facts.ts'
import { type Found, hint, ok, warning } from './finding.ts'

const RULES_NAMED_MAX = 10

/** Rules that took none of the last records: perhaps rare events, perhaps a condition that is never met. */
function checkRules(facts: RuleFacts | undefined): Found[] {
  if (facts === undefined) return [ok('there are no rules for records of other formats')]
  return [...Map.groupBy(facts.uses, ({ mapping }) => mapping)].flatMap(([mapping, uses]) =>
    checkMapping(mapping, uses, facts.sinceMs),
  )
}

function checkMapping(mapping: string, uses: readonly RuleUse[], sinceMs: number | undefined): Found[] {
  const records = uses.reduce((sum, it) => sum + it.records, 0)
  if (records === 0) return [ok(`there are no records for the rules of ${mapping}`, mapping)]
  const range = `the last ${counted(records, 'record')} of ${mapping}${sinceMs === undefined ? '' : `, from ${timeText(sinceMs)} on`}`
  const rules = uses.filter(({ rule }) => rule !== undefined)
  const unused = rules.filter((it) => it.records === 0)
  const remedy = `see what they become: logout-relay map --topic <topic> --from 1h, for a topic of ${mapping}`
  if (unused.length === rules.length)
    return [
      warning(`no rule took any of ${range}: they were skipped`, `${remedy}; correct MAPPING_FILE`, mapping),
    ]
  const never = (ofPreset: boolean) => unused.filter(({ isOfPreset }) => isOfPreset === ofPreset)
  const [own, ofPreset] = [never(false), never(true)]
  return [
    ...(own.length > 0
      ? [warning(`${namesOf(own)} took none of ${range}`, `${remedy}; ignore this for rare events`, mapping)]
      : []),
    ...(ofPreset.length > 0
      ? [
          hint(
            `${namesOf(ofPreset)} of the preset took none of ${range}`,
            'ignore this if the platform has had no such events',
            `${mapping} preset`,
          ),
        ]
      : []),
    ...(unused.length === 0 ? [ok(`every rule took some of ${range}`, mapping)] : []),
  ]
}

function namesOf(rules: readonly RuleUse[]): string {
  const more = rules.length - RULES_NAMED_MAX
  const names = rules.slice(0, RULES_NAMED_MAX).map(({ rule }) => rule)
  return `${wordFor(rules.length, 'rule')} ${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

export const ruleChecks: readonly Check<RuleFacts | undefined>[] = [
  { name: 'mapping-rules', runs: 'doctor', find: checkRules },
]
