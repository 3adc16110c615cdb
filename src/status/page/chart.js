import { element, text } from './elements.js'
import { duration, rate } from './format.js'

const WIDTH = 600
const HEIGHT = 120
const POINTS = 60
const SVG = 'http://www.w3.org/2000/svg'

function part(svg, name, className) {
  const made = document.createElementNS(SVG, name)
  made.setAttribute('class', className)
  svg.append(made)
  return made
}

/** The last five minutes, the latest at the right; drawn anew only when there is a new point. */
export function drawThroughput({ everyMs, sent, failed }) {
  const curve = element('curve')
  const state = JSON.stringify([sent, failed])
  if (curve.dataset.drawn === state) return
  curve.dataset.drawn = state
  curve.replaceChildren()
  const highest = Math.max(...sent, ...failed, 0)
  // Room above the highest point, and a flat line where nothing goes on.
  const scale = (HEIGHT - 8) / Math.max(highest, 1)
  const points = (values) =>
    values.map((value, i) => {
      const x = WIDTH - ((values.length - 1 - i) * WIDTH) / (POINTS - 1)
      return `${x.toFixed(1)},${(HEIGHT - 1 - value * scale).toFixed(1)}`
    })
  const base = part(curve, 'path', 'base')
  base.setAttribute('d', `M0,${HEIGHT - 0.5}H${WIDTH}`)
  if (sent.length > 0) {
    const line = points(sent)
    const startX = line[0].split(',')[0]
    part(curve, 'path', 'area').setAttribute(
      'd',
      `M${startX},${HEIGHT}L${line.join('L')}L${WIDTH},${HEIGHT}Z`,
    )
    part(curve, 'path', 'line').setAttribute('d', `M${line.join('L')}`)
    if (failed.some((value) => value > 0)) {
      part(curve, 'path', 'line failed').setAttribute('d', `M${points(failed).join('L')}`)
    }
  }
  text('curve-from', `${duration(POINTS * everyMs)} ago`)
  text(
    'curve-text',
    sent.length === 0
      ? 'the first figures appear in a few seconds'
      : highest === 0
        ? 'no deliveries in this time'
        : `highest ${rate(highest)} per second`,
  )
}
