export interface Form {
  readonly action: string
  /** Names of all input fields. */
  readonly fields: readonly string[]
  readonly hidden: Readonly<Record<string, string>>
}

/** The first form of a page, or `undefined`. Enough HTML for the pages of the providers that tests use, and for nothing else. */
export function readForm(html: string): Form | undefined {
  const tag = /<form\b[^>]*>/.exec(html)?.[0]
  const action = tag && attribute(tag, 'action')
  if (action === undefined) return undefined
  const inputs = (html.match(/<input\b[^>]*>/g) ?? []).map((input) => ({
    name: attribute(input, 'name') ?? '',
    type: attribute(input, 'type') ?? 'text',
    value: attribute(input, 'value') ?? '',
  }))
  const hidden = inputs.filter(({ type }) => type === 'hidden')
  return {
    action,
    fields: inputs.map(({ name }) => name),
    hidden: Object.fromEntries(hidden.map(({ name, value }) => [name, value])),
  }
}

function attribute(tag: string, name: string): string | undefined {
  return new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1]?.replaceAll('&amp;', '&')
}
