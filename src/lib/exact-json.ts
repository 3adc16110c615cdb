/** Digits in a row that may be more than a number holds exactly. */
const LONG = /\d{16}/

type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown

/** A number beyond those that JavaScript holds exactly stays as it is written: rounded, an id would name somebody else. */
const digits: Reviver = (_, value, { source }) =>
  typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER && source !== undefined
    ? source
    : value

/** As `JSON.parse`, but exact. */
export function parseExactJson(text: string): unknown {
  return LONG.test(text)
    ? JSON.parse(text, digits as (key: string, value: unknown) => unknown)
    : JSON.parse(text)
}
