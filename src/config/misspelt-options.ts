import { printable } from '../lib/printable.ts'
import { optionsSchema } from './options.ts'
import { type Environment, secretOptions } from './secret-files.ts'

/** A variable that looks like an option and is none. */
export interface MisspeltOption {
  readonly name: string
  /** The option that it is taken for; undefined where it only begins like those of the relay. */
  readonly meant: string | undefined
}

const OPTIONS = Object.keys(optionsSchema.shape)
const KNOWN = new Set([...OPTIONS, ...secretOptions.map((name) => `${name}_FILE`)])
const MISSPELT_MAX = 20
const SLIPS_MAX = 2
const NAME_CHARACTERS_MAX = 100

/** Whether a variable of that name is read. */
export function isOption(name: string): boolean {
  return KNOWN.has(name)
}

/** What several options begin with. `MAX_` begins those of anybody. */
const PREFIXES = [...Map.groupBy(OPTIONS, (name) => name.split('_', 1)[0] as string)]
  .filter(([word, names]) => names.length > 1 && word !== 'MAX')
  .map(([word]) => `${word}_`)

/**
 * What has such a beginning in other programs: the scripts and images of Kafka, whose variables are named after the
 * settings of a broker, and those of Redis.
 */
const OTHERS = [
  // npm sets it for every script.
  /^NODE$/,
  /^KAFKA_(HOME|DEBUG|MODE|VERSION|OPTS|\w+_OPTS|(BROKER|NODE|CLUSTER)_ID|BROKER_RACK|PROCESS_ROLES)$/,
  /^KAFKA_(ADVERTISED|AUTHORIZER|AUTO_(CREATE|LEADER)|CFG|CLUSTERS|CONFLUENT|CONNECT|CONTROLLER|DEFAULT|DELETE)_/,
  /^KAFKA_(GC|GROUP_(INITIAL|MAX|MIN)|INTER_BROKER|JMX|KRAFT|LISTENER|LOG4J|LOG|METRIC|MIN|NUM|OFFSETS|REPLICA)S?_/,
  /^KAFKA_(REST|SASL_(ENABLED|MECHANISM)_\w+|SCALA|SOCKET|SSL_(KEYSTORE|TRUSTSTORE)|SUPER|TRANSACTION|ZOOKEEPER)_/,
  /^KAFKA_LISTENERS$/,
  /^REDIS_(ARGS|HOME|VERSION|(AOF|DATA|DISABLE|DOWNLOAD|EXPORTER|EXTRA|IO|MASTER|RDB|REPLICA|REPLICATION)_\w+|PORT_NUMBER)$/,
]
/** What Kubernetes, and Docker before it, say of a service in the environment of every container. */
const SERVICE_LINK = /_SERVICE_(HOST|PORT(_\w+)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/

/** Other words for those in the names of options. */
const SYNONYMS: Readonly<Record<string, readonly string[]>> = {
  ADDR: ['URL'],
  ADDRESS: ['URL'],
  BOOTSTRAP: ['BROKERS'],
  CONSUMER: ['GROUP'],
  DATABASE: ['URL'],
  DB: ['URL'],
  HOST: ['BROKERS', 'URL'],
  HOSTS: ['BROKERS', 'URL'],
  OFFSET: ['START'],
  PORT: ['BROKERS', 'URL'],
  SERVER: ['BROKERS'],
  SERVERS: ['BROKERS'],
  SSL: ['TLS'],
}

/**
 * The variables of `env` that were probably meant as options: written almost like one, or beginning as those of the
 * relay do. Not those of other programs, nor of Kubernetes. Values decide nothing but whether a variable is empty, and
 * whether an option was put together from it; none is returned.
 */
export function misspeltOptions(env: Environment): MisspeltOption[] {
  return Object.entries(env)
    .filter(([name, value = '']) => value !== '' && !KNOWN.has(name) && !isOfOthers(name, value))
    .flatMap(([name, value = '']) => {
      const shown = printable(name).slice(0, NAME_CHARACTERS_MAX)
      const spelling = spellingOf(name)
      const near = nearest(spelling)
      if (near !== undefined) return [{ name: shown, meant: near }]
      const prefix = PREFIXES.find((it) => spelling.startsWith(it))
      const meant = withEnding(spelling) ?? (prefix && ofSameWords(spelling, prefix))
      if ((meant ?? prefix) === undefined) return []
      // Such as REDIS_URL=redis://$(REDIS_HOST):$(REDIS_PORT) in a manifest.
      return meant !== undefined && holds(env[meant], value) ? [] : [{ name: shown, meant }]
    })
    .slice(0, MISSPELT_MAX)
}

function isOfOthers(name: string, value: string): boolean {
  if (SERVICE_LINK.test(name) || OTHERS.some((it) => it.test(name))) return true
  return name.endsWith('_PORT') && /^(tcp|udp|sctp):\/\//.test(value)
}

/** As the relay would write it, which has no name of its own before its options. */
function spellingOf(name: string): string {
  return name
    .slice(0, NAME_CHARACTERS_MAX)
    .toUpperCase()
    .replaceAll(/[-.]/g, '_')
    .replace(/^(LOGOUT_RELAY|LR)_/, '')
}

/** The option that differs by a slip of the pen, or by its unit alone. */
function nearest(spelling: string): string | undefined {
  const stem = withoutUnit(spelling)
  const [closest] = OPTIONS.map((option) => ({
    option,
    slips: Math.min(fewSlips(spelling, option), fewSlips(stem, withoutUnit(option))),
  }))
    .filter(({ option, slips }) => slips <= (withoutUnit(option).length < 9 ? 1 : SLIPS_MAX))
    .sort((a, b) => a.slips - b.slips)
  return closest?.option
}

function withoutUnit(name: string): string {
  return name.replace(/_(MS|MILLIS|MILLISECONDS|S|SEC|SECS|SECONDS|MINUTES|HOURS)$/, '')
}

/** Most names are told apart by their lengths, at no cost. */
function fewSlips(a: string, b: string): number {
  return Math.abs(a.length - b.length) > SLIPS_MAX ? Infinity : slipsBetween(a, b)
}

/** Letters to insert, remove, replace, or swap with their neighbour (Damerau, optimal string alignment). */
export function slipsBetween(a: string, b: string): number {
  let before: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const swapped = isSwapped ? (before[j - 2] as number) + 1 : replaced
      next[j] = Math.min(replaced, swapped, (row[j] as number) + 1, (next[j - 1] as number) + 1)
    }
    before = row
    row = next
  }
  return row[b.length] as number
}

/** An option with what it is made of, or stands in, behind its name. */
function withEnding(spelling: string): string | undefined {
  const option = spelling.replace(/_(FILE|URI|URL)$/, '')
  return OPTIONS.find((it) => it === option)
}

/** The option that says the same in fewer, more or other words. */
function ofSameWords(spelling: string, prefix: string): string | undefined {
  const words = spelling.slice(prefix.length).split('_')
  const [best] = OPTIONS.filter((it) => it.startsWith(prefix))
    .map((option) => {
      const own = option.slice(prefix.length).split('_')
      const shared = own.filter((it) => words.some((word) => isAlike(word, it))).length
      return { option, shared, score: 3 * shared - own.length, slips: slipsBetween(spelling, option) }
    })
    .filter(({ shared }) => shared > 0)
    .sort((a, b) => b.score - a.score || a.slips - b.slips)
  return best?.option
}

function isAlike(word: string, own: string): boolean {
  const isBeginning = word.length > 3 && own.length > 3 && (word.startsWith(own) || own.startsWith(word))
  return word === own || isBeginning || (SYNONYMS[word]?.includes(own) ?? false)
}

/** As a whole, not within a word. */
function holds(option: string | undefined, value: string): boolean {
  const parts = option?.split(value) ?? []
  return parts.some((part, i) => i > 0 && !/[\w.-]$/.test(parts[i - 1] as string) && !/^[\w.-]/.test(part))
}
