const byId = (id) => document.getElementById(id)

/** Text only, ever: ids and errors come from outside. Untouched when it is the same, so that nothing is read out twice. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text
}

export function setClass(element, name) {
  if (element.className !== name) element.className = name
}

export function text(id, value) {
  setText(byId(id), value)
}

export function show(id, isShown) {
  byId(id).hidden = !isShown
}

export function element(id) {
  return byId(id)
}

/** Makes the element have so many children, made by `create`, and keeps those that are there. */
function resize(parent, length, create) {
  while (parent.children.length > length) parent.lastElementChild.remove()
  while (parent.children.length < length) parent.append(create())
}

function create(name, ...children) {
  const made = document.createElement(name)
  made.append(...children)
  return made
}

/** A list of notes: a pill with a word or two and a name below it, then a text, then what to do about it. */
export function fillNotes(id, notes) {
  const list = byId(id)
  resize(list, notes.length, () => {
    return create('li', create('div', create('span'), create('p')), create('div', create('p'), create('p')))
  })
  for (const [i, { tone, label, name = '', text = '', remedy = '' }] of notes.entries()) {
    const [title, body] = list.children[i].children
    const [pill, small] = title.children
    setText(pill, label)
    setClass(pill, `pill ${tone}`)
    setText(small, name)
    setClass(small, 'quiet')
    setText(body.children[0], text)
    setText(body.children[1], remedy)
    setClass(body.children[1], 'quiet')
  }
}

/** A choice among texts, or of all of them. Returns what is chosen, '' for all; what is no longer offered is chosen no more. */
export function fillChoice(id, all, texts) {
  const list = byId(id)
  const chosen = list.value
  resize(list, texts.length + 1, () => create('option'))
  for (const [i, text] of ['', ...texts].entries()) {
    const option = list.children[i]
    setText(option, i === 0 ? all : text)
    option.value = text
  }
  list.value = texts.includes(chosen) ? chosen : ''
  return list.value
}

/** Named figures: `{ name, value, note, tone }`. */
export function fillFigures(id, figures) {
  const list = byId(id)
  resize(list, figures.length, () => {
    return create('div', create('dt'), create('dd'), create('dd'))
  })
  for (const [i, { name, value, note, tone = '' }] of figures.entries()) {
    const [term, main, small] = list.children[i].children
    setText(term, name)
    setText(main, value)
    setClass(main, `value ${tone}`)
    setText(small, note)
    setClass(small, 'quiet')
  }
}

/**
 * A table whose columns are `{ title, kind, cell }` and whose cells are `{ main, small, tone }`; a tone makes a pill.
 * Rows are kept and changed in place, so that a selection survives the next second. Its roles are spelled out, because
 * a table that is laid out otherwise on a phone would lose them.
 */
export function fillTable(id, { caption, columns, rows, none }) {
  const table = byId(id)
  table.hidden = rows.length === 0
  const empty = byId(`${id}-none`)
  empty.hidden = rows.length > 0
  setText(empty, rows.length > 0 ? '' : none)
  if (table.tHead === null) startTable(table, caption, columns)
  const body = table.tBodies[0]
  resize(body, rows.length, () => createRow(columns))
  for (const [i, row] of rows.entries()) {
    for (const [k, column] of columns.entries()) {
      const { main, small = '', tone } = column.cell(row)
      const [mainPart, smallPart] = body.rows[i].cells[k].children
      setText(mainPart, main)
      setClass(mainPart, tone === undefined ? '' : `pill ${tone}`)
      setText(smallPart, small)
    }
  }
}

function startTable(table, caption, columns) {
  table.setAttribute('role', 'table')
  const heads = columns.map(({ title, kind = '' }) => {
    const head = create('th', title)
    head.scope = 'col'
    head.className = kind
    head.setAttribute('role', 'columnheader')
    return head
  })
  const row = create('tr', ...heads)
  row.setAttribute('role', 'row')
  const head = create('thead', row)
  const body = create('tbody')
  for (const group of [head, body]) group.setAttribute('role', 'rowgroup')
  table.append(create('caption', caption), head, body)
}

function createRow(columns) {
  const cells = columns.map(({ title, kind = '' }, k) => {
    const cell = create(k === 0 ? 'th' : 'td', create('span'), create('small'))
    if (k === 0) cell.scope = 'row'
    cell.setAttribute('role', k === 0 ? 'rowheader' : 'cell')
    cell.dataset.label = title
    cell.className = kind
    return cell
  })
  const row = create('tr', ...cells)
  row.setAttribute('role', 'row')
  return row
}
