import { el, onPress } from '../dom.ts'
import { makeForm } from '../form.ts'
import { addNote, deleteNote, listNotes, type Note } from '../notes.ts'
import { focusHeading, say, type View } from '../page.ts'
import { explain } from '../reach.ts'
import { loading } from './loading.ts'

/** The notes of the person who is logged in, kept by an API of our own. */
export function notesView(): View {
  const body = loading({ ask: listNotes, view: notes })
  const words = el('p', { class: 'quiet' }, 'Only you see them. They are kept until their API is restarted.')
  return { title: 'Your notes', body: el('div', {}, words, body) }
}

/** A form for another note, above those that there are. */
function notes(first: Note[]): HTMLElement {
  const list = el('div', {})
  const draw = (notes: readonly Note[]) => {
    const remove = (gone: Note) => {
      draw(notes.filter((note) => note !== gone))
    }
    list.replaceChildren(notes.length > 0 ? rows(notes, remove) : el('p', { class: 'quiet' }, 'There are none yet.'))
    add = (note) => {
      draw([note, ...notes])
    }
  }
  let add: (note: Note) => void = () => undefined
  draw(first)

  const form: HTMLFormElement = makeForm({
    fields: [{ name: 'text', pointer: '/text', label: 'New note', kind: 'text', autocomplete: 'off' }],
    submit: 'Add the note',
    busy: 'Adding…',
    send: async ({ text }) => {
      const result = await addNote(text)
      if (!result.ok) return result.error
      add(result.data)
      form.reset()
      say('The note is added.', 'spoken')
      return undefined
    },
  })
  return el('div', {}, form, el('section', { class: 'part', 'aria-label': 'Notes' }, list))
}

const moment = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' })

function rows(notes: readonly Note[], remove: (note: Note) => void): HTMLElement {
  const row = (note: Note) => {
    const time = el('p', { class: 'quiet' }, moment.format(new Date(note.created_at)))
    return el('li', { class: 'note' }, el('div', {}, el('p', {}, note.text), time), deleting(note, remove))
  }
  return el('ul', { class: 'rows' }, ...notes.map(row))
}

function deleting(note: Note, remove: (note: Note) => void): HTMLElement {
  const button = el('button', { type: 'button', class: 'plain', 'aria-label': `Delete: ${note.text}` }, 'Delete')
  onPress(button, async () => {
    const result = await deleteNote(note.id)
    // It may have been deleted in another tab.
    const isGone = result.ok || (result.error.code === 'notes_problem' && result.error.reason === 'note_not_found')
    const told = isGone ? undefined : await explain(result.error)
    if (!button.isConnected) return
    if (told) {
      say(told.message, 'error')
      return
    }
    remove(note)
    say('The note is deleted.', 'spoken')
    // The button that had the focus is gone.
    focusHeading()
  })
  return button
}
