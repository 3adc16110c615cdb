import { element, show, text } from './elements.js'
import { rate } from './format.js'

const WIDTH = 600
const HEIGHT = 120
const POINTS = 60
const MINUTES = 5
const SVG = 'http://www.w3.org/2000/svg'

function part(svg, name, className, path) {
  const made = document.createElementNS(SVG, name)
  made.setAttribute('class', className)
  made.setAttribute('d', path)
  svg.append(made)
}

/** The end of the axis: 1, 2 or 5 times a power of ten. */
function roundUp(value) {
  if (value <= 0) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  return power * [1, 2, 5, 10].find((it) => it * power >= value)
}

/** The last five minutes, the latest at the right; drawn anew only when there is a new point. */
export function drawThroughput({ throughput, mode }) {
  const { failed } = throughput
  const sent = mode === 'shadow' ? throughput.shadowed : throughput.sent
  text('curve-sent', mode === 'shadow' ? 'shadowed' : 'sent')
  show('curve-failed', mode !== 'shadow')
  const curve = element('curve')
  const state = JSON.stringify([sent, failed])
  if (curve.dataset.drawn === state) return
  curve.dataset.drawn = state
  curve.replaceChildren()
  const highest = Math.max(...sent, ...failed, 0)
  const top = roundUp(highest)
  text('curve-top', rate(top).replace('.0', ''))
  text('curve-half', rate(top / 2).replace('.0', ''))
  // A single point is drawn as a short line, or it would not be seen.
  const points = ([...values]) => {
    if (values.length === 1) values.push(values[0])
    return values.map((value, i) => {
      const x = WIDTH - ((values.length - 1 - i) * WIDTH) / (POINTS - 1)
      return `${x.toFixed(1)},${(HEIGHT - (value * HEIGHT) / top).toFixed(1)}`
    })
  }
  for (const y of [0.5, HEIGHT / 2, HEIGHT - 0.5]) part(curve, 'path', 'grid', `M0,${y}H${WIDTH}`)
  for (let minute = 0; minute <= MINUTES; minute++)
    part(curve, 'path', 'grid', `M${(minute * WIDTH) / MINUTES},0V${HEIGHT}`)
  if (sent.length > 0) {
    const line = points(sent)
    const startX = line[0].split(',')[0]
    part(curve, 'path', 'area', `M${startX},${HEIGHT}L${line.join('L')}L${WIDTH},${HEIGHT}Z`)
    part(curve, 'path', 'line', `M${line.join('L')}`)
    if (failed.some((value) => value > 0)) {
      part(curve, 'path', 'line failed', `M${points(failed).join('L')}`)
    }
  }
  text(
    'curve-text',
    sent.length === 0
      ? 'The first figures appear in a few seconds.'
      : highest === 0
        ? 'No deliveries in this time.'
        : `Highest: ${rate(highest)} per second.`,
  )
}
