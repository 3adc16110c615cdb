import { element, setClass, text } from './elements.js'
import { ago } from './format.js'
import { showStatus } from './sections.js'

const STALE_MS = 5_000
const RECONNECT_MS = 3_000

let stream
let reconnecting
let heardAtMs
/** Why nothing is heard, as far as is known. */
let trouble = ''

function connect() {
  clearTimeout(reconnecting)
  stream?.close()
  stream = new EventSource('events')
  stream.onmessage = ({ data }) => {
    heardAtMs = Date.now()
    trouble = ''
    setClass(element('main'), '')
    showStatus(JSON.parse(data))
    showLink()
  }
  stream.onerror = () => {
    trouble = 'reconnecting'
    showLink()
    // The browser tries again by itself after a lost connection, but not after an answer that it does not like.
    if (stream.readyState !== EventSource.CLOSED) return
    clearTimeout(reconnecting)
    reconnecting = setTimeout(connect, RECONNECT_MS)
  }
}

function showLink() {
  const silentMs = heardAtMs === undefined ? 0 : Date.now() - heardAtMs
  const isStale = silentMs > STALE_MS || (trouble !== '' && heardAtMs !== undefined)
  const link = element('link')
  if (isStale) setClass(element('main'), 'old')
  setClass(link, isStale ? 'pill bad' : heardAtMs === undefined ? 'pill' : 'pill good')
  const state = heardAtMs === undefined ? trouble || 'connecting' : `Updated ${ago(silentMs)}`
  text('link', isStale ? `${state}: ${trouble || 'no report'}` : state)
  // Read out when it changes, so without the seconds.
  text('link-said', isStale ? `What is shown is old: ${trouble || 'no report'}` : '')
}

// A page that nobody sees holds no connection: a browser has few of them per host.
document.addEventListener('visibilitychange', () => {
  if (document.hidden) {
    clearTimeout(reconnecting)
    stream?.close()
  } else connect()
})
setInterval(showLink, 1_000)
connect()
