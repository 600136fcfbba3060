import { notesUrl, serverUrl } from './urls.ts'
import { tell, type AppError, type Told } from './words.ts'

/** A service that the page calls. */
interface Service {
  readonly name: string
  readonly url: string
  /** A path that pages of every origin may read, and one that only pages of the service's own list may read. */
  readonly open: string
  readonly listed: string
  /** The service's setting that has this list. */
  readonly setting: string
}

const server: Service = {
  name: 'The Latchkey server',
  url: serverUrl,
  open: '/.well-known/jwks.json',
  listed: '/api/users/me/',
  setting: 'LATCHKEY_CORS_ORIGINS',
}

const notes: Service = {
  name: 'The notes’ API',
  url: notesUrl,
  open: '/livez',
  listed: '/notes',
  setting: 'NOTES_ORIGIN',
}

/** How long a service may take to answer, in ms. */
const patience = 5000

/** Turns an error into words, as `tell` does. If there was no answer, it finds out why. */
export async function explain(error: AppError): Promise<Told> {
  for (const service of asked(error)) {
    const message = await whyNot(service)
    if (message !== undefined) return { message, fields: [] }
  }
  return tell(error)
}

/** The services of which one has not answered. */
function asked({ code }: AppError): readonly Service[] {
  if (code === 'network_error') return [server]
  return code === 'notes_unanswered' ? [server, notes] : []
}

/**
 * Returns why the page gets no answer of a service, or undefined if it does get one now. A browser
 * hides the cause from a page: a service that is down looks like one that doesn't let the page's
 * origin in. So the page asks for what every origin may read.
 */
async function whyNot({ name, url, open, listed, setting }: Service): Promise<string | undefined> {
  if (!(await answers(url + open))) return `${name} can’t be reached at ${url}. Is it running?`
  if (await answers(url + listed)) return undefined
  return `${name} is running, but it doesn’t let this page in. Start it with ${setting}=${location.origin}`
}

function answers(url: string): Promise<boolean> {
  return fetch(url, { cache: 'no-store', credentials: 'omit', signal: AbortSignal.timeout(patience) }).then(
    () => true,
    () => false,
  )
}
