import { Parser } from '@asyncapi/parser'
import { Ajv } from 'ajv'
import { expect, inject, onTestFinished, test } from 'vitest'
import { jsonSchemaOf, type SchemaName, schemaNames } from '../../src/events/record-schemas.ts'
import { textOf } from '../support/pages.ts'
import { TopicLog, type TopicRecord } from '../support/topic-log.ts'
import { openSite } from './open-site.ts'

const ajv = new Ajv({ allErrors: true, allowUnionTypes: true })

function problemsOf(name: SchemaName, data: unknown): unknown {
  const validate = ajv.compile(jsonSchemaOf(name))
  return validate(data) ? [] : validate.errors
}

const typeOf = ({ headers }: TopicRecord) => headers.ce_type as SchemaName

test('what a relay writes is valid by the schemas that it ships: sent, failed, shadowed, dead letters', async () => {
  const kafkaBrokers = inject('kafkaBrokers')
  const site = await openSite()
  onTestFinished(() => site.close())
  await site.startRelay({ KAFKA_START_FROM: 'earliest', RETRY_MAX_ATTEMPTS: '1' })
  const deadLetters = await TopicLog.follow(kafkaBrokers, site.deadLetterTopic)
  onTestFinished(() => deadLetters.close())
  site.rps.uri('/refuses', 410)
  const taken = site.registration('/takes')
  const refused = site.registration('/refuses')
  const poison = { key: 'x', value: '{"type":"session-terminated"}' }
  await site.topic.publish(...[taken, refused].map((it) => site.registered(it)), poison)
  await site.topic.publish(...[taken, refused].map((it) => site.terminated(it)))
  const outcomes = await Promise.all(
    [taken, refused].map(({ clientId, sessionId }) => site.topic.waitForOutcome(clientId, sessionId)),
  )
  expect(outcomes.map(typeOf)).toEqual(['backchannel-logout-sent', 'backchannel-logout-failed'])
  for (const it of outcomes) expect(problemsOf(typeOf(it), it.data)).toEqual([])
  const letter = await deadLetters.waitFor(() => true)
  expect(problemsOf('dead-letter', letter.headers)).toEqual([])

  const dark = await openSite({ env: { MODE: 'shadow' } })
  onTestFinished(() => dark.close())
  await dark.startRelay()
  const shadowed = await TopicLog.follow(kafkaBrokers, `${dark.topic.name}.shadow`)
  onTestFinished(() => shadowed.close())
  const registration = dark.registration('/dark')
  await dark.topic.publish(dark.registered(registration), dark.terminated(registration))
  const told = await shadowed.waitFor(() => true)
  expect(typeOf(told)).toBe('backchannel-logout-shadowed')
  expect(problemsOf(typeOf(told), told.data)).toEqual([])
})

test('the official parser finds nothing wrong with the AsyncAPI document', async () => {
  const { document, diagnostics } = await new Parser().parse(textOf('docs/asyncapi.yaml'))
  // It has this to say of every document that is not of the newest version.
  const problems = diagnostics.filter(({ code }) => code !== 'asyncapi-latest-version')
  expect(problems.map(({ code, message, path }) => [code, message, path.join('.')])).toEqual([])
  const messages = document?.allMessages().all() ?? []
  expect(messages.map((it) => it.name()).sort()).toEqual([...schemaNames].sort())
})
