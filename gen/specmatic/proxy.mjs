import { randomBytes } from 'node:crypto'
import { createServer, request } from 'node:http'
import { buffer } from 'node:stream/consumers'

/** What Specmatic sends to say which answer it expects. */
const expected = 'specmatic-response-code'

/**
 * Starts a proxy in front of the server at `target`, and answers it once it listens on a free port. What it passes on is
 * unchanged but for the connection's own headers, and for what Specmatic can't know:
 *
 * - Its shortest and longest usernames are always the same ones, and the second to register one would be refused, rightly, while
 *   it expects a success: so whoever holds the name is deleted by `deleteUser`, and the same request is sent once more.
 * - Once in some thousand passwords, one that it makes up is too easily guessed, which is refused and which no schema can say: the request is
 *   sent once more with another password of the same length.
 * - It has one `token` for all requests, and some of them end its session: so each that carries it gets that of a new login, which
 *   `login` makes. Where it expects to end the session that it names, that is the one.
 */
export async function startProxy(target, { token, deleteUser, login }) {
  const proxy = createServer((incoming, outgoing) => {
    pass(incoming, outgoing).catch((error) => {
      console.error(error)
      outgoing.destroy()
    })
  })
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  return proxy

  async function pass(incoming, outgoing) {
    const body = await buffer(incoming)
    const passed = await renewed(incoming)
    let answer = await send(target, passed, body)
    if (answer.status === 409 && JSON.parse(answer.body).code === 'username_taken') {
      await deleteUser(JSON.parse(body).username)
      answer = await send(target, passed, body)
    }
    if (answer.status === 422 && isGuessable(JSON.parse(answer.body))) {
      answer = await send(target, withoutLength(passed), withAnotherPassword(body))
    }
    outgoing.sendDate = false
    outgoing.writeHead(answer.status, answer.headers)
    outgoing.end(answer.body)
  }

  async function renewed({ method, url, headers, rawHeaders }) {
    if (headers.authorization !== `Bearer ${token}`) return { method, url, rawHeaders }
    const fresh = await login()
    const { sid } = JSON.parse(Buffer.from(fresh.split('.')[1], 'base64url'))
    const named = method === 'DELETE' && headers[expected] === '204' ? url.replace(/(\/sessions\/)[^/]+/, `$1${sid}`) : url
    return { method, url: named, rawHeaders: rawHeaders.map((text) => text.replace(token, fresh)) }
  }
}

async function send(target, { method, url, rawHeaders }, body) {
  const sent = request(new URL(url, target), { method, headers: rawHeaders, setHost: false, agent: false })
  sent.end(body)
  const answer = await new Promise((resolve, reject) => sent.on('response', resolve).on('error', reject))
  return { status: answer.statusCode, headers: answer.rawHeaders, body: await buffer(answer) }
}

/** Tells whether a problem names nothing but a password that is too easily guessed. */
function isGuessable({ errors = [] }) {
  return errors.length > 0 && errors.every(({ code }) => code === 'common_password')
}

function withAnotherPassword(body) {
  const registration = JSON.parse(body)
  const { length } = registration.password
  return JSON.stringify({ ...registration, password: randomBytes(length).toString('base64url').slice(0, length) })
}

/** Leaves out the length of the body, so that it is that of the body that is sent. */
function withoutLength({ rawHeaders, ...sent }) {
  const kept = rawHeaders.filter((_, i) => rawHeaders[i - (i % 2)].toLowerCase() !== 'content-length')
  return { ...sent, rawHeaders: kept }
}
