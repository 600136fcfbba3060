import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'

/** What a mail has for the person who gets it. */
export interface Mail {
  readonly code: string
  /** The address of its link; '' without one. */
  readonly link: string
}

/** What a wait for a mail may take, in ms. */
const waitBound = 15_000

/**
 * Waits for a mail of this kind to an address, and returns the newest. `dataDir` is the data folder
 * of a server without `LATCHKEY_SMTP_URL`, which writes its mails there. `after` is a mail that
 * came before, with another code.
 */
export async function mailTo(dataDir: string, address: string, kind: string, after?: Mail): Promise<Mail> {
  let newest: Mail | undefined
  const look = async () => {
    newest = (await mailsTo(dataDir, address, kind)).at(-1)
    return newest !== undefined && newest.code !== after?.code
  }
  await expect.poll(look, { timeout: waitBound, message: `a mail ${kind} to ${address}` }).toBe(true)
  if (!newest) throw new Error('unreachable')
  return newest
}

/** All mails of a kind to an address, the oldest first. */
async function mailsTo(dataDir: string, address: string, kind: string): Promise<Mail[]> {
  const folder = join(dataDir, 'mails')
  const files = await readdir(folder).catch(() => [])
  // Each name begins with the time.
  const names = files.filter((name) => !name.startsWith('.') && name.includes(`-${kind}-`)).sort()
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')))
  return texts.filter((text) => text.includes(`\r\nTo: <${address}>\r\n`)).map(parse)
}

/** Reads the plain text of a mail, which is quoted-printable (RFC 2045 section 6.7). */
function parse(text: string): Mail {
  const plain = (text.split('Content-Type: text/plain')[1] ?? '')
    .replace(/=\r\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))
  return {
    code: /^ {4}(\d{8})\r$/m.exec(plain)?.[1] ?? '',
    link: /^ {4}(https?:\S+)\r$/m.exec(plain)?.[1] ?? '',
  }
}
