/** Shown of what both have in common, on each side of where they differ. */
const CONTEXT = 8

/**
 * Where two similar names differ, for people: what only one of them has stands between » and «, and the byte at which they
 * part is counted from 1. Such as `byte 26: …mple.com»« and …mple.com»/«`.
 */
export function differenceText(one: string, other: string): string {
  const a = [...one]
  const b = [...other]
  const shorter = Math.min(a.length, b.length)
  let head = 0
  while (head < shorter && a[head] === b[head]) head++
  let tail = 0
  while (tail < shorter - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++
  const byte = Buffer.byteLength(a.slice(0, head).join('')) + 1
  return `byte ${byte}: ${marked(a, head, tail)} and ${marked(b, head, tail)}`
}

function marked(text: readonly string[], head: number, tail: number): string {
  const end = text.length - tail
  const before = text.slice(Math.max(head - CONTEXT, 0), head).join('')
  const after = text.slice(end, end + CONTEXT).join('')
  const [more, rest] = [head > CONTEXT ? '…' : '', tail > CONTEXT ? '…' : '']
  return `${more}${before}»${text.slice(head, end).join('')}«${after}${rest}`
}
