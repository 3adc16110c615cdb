const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })

/** A count; in short form from ten million on, where the last digits say nothing. */
export function count(value) {
  return value >= 10_000_000 ? short.format(value) : whole.format(value)
}

/** To the last digit, for what is looked up elsewhere. */
export function exact(value) {
  return whole.format(value)
}

/** A rate per second. */
export function rate(value) {
  if (value === 0) return '0'
  return value < 10 ? value.toFixed(value < 0.095 ? 2 : 1) : count(value)
}

/** A length of time in milliseconds, in the one or two units that matter. */
export function duration(ms) {
  if (ms < 10) return `${ms.toFixed(1)}\u00a0ms`
  if (ms < 1_000) return `${Math.round(ms)}\u00a0ms`
  const seconds = ms / 1_000
  if (seconds < 10) return `${seconds.toFixed(1)}\u00a0s`
  if (seconds < 60) return `${Math.floor(seconds)}\u00a0s`
  const units = [
    [86_400, 'd'],
    [3_600, 'h'],
    [60, 'min'],
    [1, 's'],
  ]
  const first = units.findIndex(([length]) => seconds >= length)
  const parts = units.slice(first, first + 2).map(([length, name], i) => {
    const value = i === 0 ? seconds / length : (seconds % units[first][0]) / length
    return [Math.floor(value), name]
  })
  return parts
    .filter(([value], i) => i === 0 || value > 0)
    .map(([value, name]) => `${value}\u00a0${name}`)
    .join('\u00a0')
}

/** A length of time in whole seconds: what changes with every look distracts. */
export function seconds(ms) {
  return duration(Math.floor(ms / 1_000) * 1_000).replace('.0\u00a0', '\u00a0')
}

export function ago(ms) {
  return ms < 1_000 ? 'just now' : `${seconds(ms)} ago`
}

/** How long it is until then. */
export function until(thenMs, nowMs) {
  return thenMs <= nowMs ? 'now' : `in ${duration(thenMs - nowMs)}`
}

/** How long it is until then, and when that is. */
export function deadline(thenMs, nowMs) {
  const at = new Date(thenMs).toISOString().slice(0, 16).replace('T', '\u00a0')
  return `${until(thenMs, nowMs)} (${at}\u00a0UTC)`
}

/** A client id within a sentence: they come from outside, and are as long as somebody wanted. */
export function name(text) {
  return text.length > 60 ? `${text.slice(0, 59)}…` : text
}

export function plural(value, one, many = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : many}`
}
