/** A view: what stands below the heading while its route is shown. */
export interface View {
  /** The heading, and the first part of the document's title. */
  readonly title: string
  readonly body: HTMLElement
}

/** `spoken` is for screen readers only, where everybody else sees it elsewhere in the page. */
export type Tone = 'info' | 'error' | 'spoken'

const heading = part('heading')
const status = part('status')
const body = part('view')

/** What the next view says first. */
let next = ''

/** Shows a view in place of the one before. What was said there goes, because it is no longer true. */
export function show(view: View): void {
  document.title = `${view.title} · Latchkey demo`
  heading.textContent = view.title
  say(next)
  next = ''
  body.replaceChildren(view.body)
}

/** Moves the focus to the heading, so that a screen reader tells the new view and Tab goes on from its start. */
export function focusHeading(): void {
  heading.focus()
}

/** Goes to another view, and says something there. */
export function goTo(route: `#/${string}`, words = ''): void {
  next = words
  location.hash = route
}

/** Says something to everyone: it is shown, and a screen reader reads it without losing its place. */
export function say(text: string, tone: Tone = 'info'): void {
  status.dataset.tone = tone
  status.textContent = text
}

/** Returns an element that index.html has. */
export function part(id: string): HTMLElement {
  const element = document.getElementById(id)
  if (!element) throw new Error(`index.html has no #${id}`)
  return element
}
