import { AuthError, type Result } from '@latchkey-auth/client'
import { auth } from './auth.ts'
import type { NotesError } from './notes-error.ts'
import { notesUrl } from './urls.ts'

/** A note, as the API sends it (api/notes.go). Times are RFC 3339 in UTC. */
export interface Note {
  readonly id: string
  readonly text: string
  readonly created_at: string
}

/** Returns the notes of the person who is logged in, the newest first. */
export function listNotes(): Promise<Result<Note[], NotesError>> {
  return call('/notes', {}, async (response) => ((await response.json()) as { notes: Note[] }).notes)
}

export function addNote(text: string): Promise<Result<Note, NotesError>> {
  const headers = { 'Content-Type': 'application/json' }
  const body = JSON.stringify({ text })
  return call('/notes', { method: 'POST', headers, body }, async (response) => (await response.json()) as Note)
}

export function deleteNote(id: string): Promise<Result<undefined, NotesError>> {
  return call(`/notes/${encodeURIComponent(id)}`, { method: 'DELETE' }, () => Promise.resolve(undefined))
}

/** Calls the API as the person who is logged in. `auth.fetch` sends the access token, and refreshes it if need be. */
async function call<T>(
  path: string,
  init: RequestInit,
  read: (response: Response) => Promise<T>,
): Promise<Result<T, NotesError>> {
  let response: Response
  try {
    response = await auth.fetch(`${notesUrl}${path}`, init)
  } catch (error) {
    if (!(error instanceof AuthError)) throw error
    const why = error.error
    return { ok: false, error: why.code === 'network_error' ? { code: 'notes_unanswered' } : why }
  }
  try {
    if (response.ok) return { ok: true, data: await read(response) }
    const { code, detail } = (await response.json()) as { code: string; detail: string }
    return { ok: false, error: { code: 'notes_problem', reason: code, detail } }
  } catch (cause) {
    // The body is not JSON, or it was cut off.
    return { ok: false, error: { code: 'unexpected_answer', status: response.status, cause } }
  }
}
