import { createServer, request } from 'node:http'
import { buffer } from 'node:stream/consumers'

/**
 * Starts a proxy in front of the server at `target`, and answers it once it listens on a free port. What it passes on is
 * unchanged but for the connection's own headers. Specmatic's shortest and longest usernames are always the same ones, and
 * the second to register one would be refused, rightly, while Specmatic expects a success: so whoever holds the name is
 * deleted by `deleteUser`, and the same request is sent once more.
 */
export async function startProxy(target, deleteUser) {
  const proxy = createServer((incoming, outgoing) => {
    pass(target, deleteUser, incoming, outgoing).catch((error) => {
      console.error(error)
      outgoing.destroy()
    })
  })
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  return proxy
}

async function pass(target, deleteUser, incoming, outgoing) {
  const body = await buffer(incoming)
  let answer = await send(target, incoming, body)
  if (answer.status === 409 && JSON.parse(answer.body).code === 'username_taken') {
    await deleteUser(JSON.parse(body).username)
    answer = await send(target, incoming, body)
  }
  outgoing.sendDate = false
  outgoing.writeHead(answer.status, answer.headers)
  outgoing.end(answer.body)
}

async function send(target, { method, url, rawHeaders }, body) {
  const sent = request(new URL(url, target), { method, headers: rawHeaders, setHost: false, agent: false })
  sent.end(body)
  const answer = await new Promise((resolve, reject) => sent.on('response', resolve).on('error', reject))
  return { status: answer.statusCode, headers: answer.rawHeaders, body: await buffer(answer) }
}
