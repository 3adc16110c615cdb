import { isMap, isScalar, type Pair, parseDocument, type YAMLMap } from 'yaml'

/** One value of the chart that a person sets: what stands under it has no comments of its own. */
export interface ChartValue {
  /** From the top, such as `['image', 'tag']`. */
  readonly path: readonly string[]
  readonly defaultValue: unknown
  /** The comment above it, as one line; empty when there is none. */
  readonly description: string
}

/** The values of a chart with the comments above them, in the order of the file. */
export function chartValues(valuesYaml: string): ChartValue[] {
  const { contents } = parseDocument(valuesYaml)
  return isMap(contents) ? valuesOf(contents, []) : []
}

function valuesOf(map: YAMLMap, parents: readonly string[]): ChartValue[] {
  return map.items.flatMap((pair, index) => {
    const path = [...parents, nameOf(pair)]
    const { value } = pair
    // Only where somebody explains what is inside does the inside count as values.
    if (isMap(value) && value.items.some((item, at) => commentAbove(value, item, at) !== '')) {
      return valuesOf(value, path)
    }
    const defaultValue = isMap(value) || !isScalar(value) ? toJson(value) : value.value
    return [{ path, defaultValue, description: commentAbove(map, pair, index) }]
  })
}

function nameOf({ key }: Pair): string {
  return String(isScalar(key) ? key.value : key)
}

function toJson(value: unknown): unknown {
  return (value as { toJSON(): unknown }).toJSON()
}

/** The parser gives the comment above the first key to the map. */
function commentAbove(map: YAMLMap, { key }: Pair, index: number): string {
  const own = isScalar(key) ? key.commentBefore : undefined
  const comment = own ?? (index === 0 ? map.commentBefore : undefined) ?? ''
  // Of comments with an empty line between them, the last is the one of the key.
  return (comment.split('\n\n').at(-1) ?? '')
    .split('\n')
    .map((line) => line.trim())
    .join(' ')
    .trim()
}
