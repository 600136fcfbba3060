import { generateKeyPairSync, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

/** A change of the good token, as authn/authntest/testdata/tokens.json describes it. */
interface Vector {
  header?: [string, string]
  claims?: [string, string]
  headerIs?: string
  claimsIs?: string
  unsigned?: boolean
  signed?: string
  text?: string
}

interface Vectors {
  header: string
  claims: string
  accepted: Record<string, Vector>
  refused: Record<string, Vector>
}

/** When the tokens are checked, in milliseconds. */
export const vectorTime = Date.parse('2026-01-05T09:30:00.123Z')

// All texts are held as bytes, a character for each.
const file = resolve(import.meta.dirname, '..', '..', '..', 'authn', 'authntest', 'testdata', 'tokens.json')
const bytesOf = (_: string, value: unknown) =>
  typeof value === 'string' ? Buffer.from(value, 'utf8').toString('latin1') : value
const vectors = JSON.parse(readFileSync(file, 'utf8'), bytesOf) as Vectors

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })

/** The public key that the tokens are signed for. */
export const vectorKey = { ...publicKey.export({ format: 'jwk' }), alg: 'ES256', kid: 'es', use: 'sig' }

const encode = (text: string) => Buffer.from(text, 'latin1').toString('base64url')
const decode = (text: string) => Buffer.from(text, 'base64url')
const compact = (text: string) =>
  `${text}.${sign('sha256', Buffer.from(text, 'latin1'), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`

const symbols = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const filters: Record<string, (text: string) => string> = {
  lower: (text) => text.toLowerCase(),
  swap: (text) => text.replace(/[a-z]/gi, (c) => (c < 'a' ? c.toLowerCase() : c.toUpperCase())),
  std: (text) => decode(text).toString('base64'),
  longer: (text) => Buffer.concat([decode(text), Buffer.of(0)]).toString('base64url'),
  unused: (text) => text.slice(0, -1) + (symbols[symbols.indexOf(text.slice(-1)) ^ 1] ?? ''),
}

function fill(text: string, values: Record<string, string>): string {
  const placeholder = /<(\w+)(?:\[(-?\d*):(-?\d*)\])?(?:\|(\w+))?(?:\*(\d+))?>/g
  return text.replace(placeholder, (_, name: string, from = '', to = '', filter = '', times = '1') => {
    const value = values[name]
    if (value === undefined) throw new Error(`no value for ${name}`)
    const part = value.slice(from === '' ? 0 : Number(from), to === '' ? undefined : Number(to))
    return (filters[filter as string]?.(part) ?? part).repeat(Number(times))
  })
}

const fixed = { alg: 'ES256', kid: 'es', jwk: JSON.stringify(vectorKey), elsewhere: 'http://127.0.0.1:1' }
const base: Record<string, string> = { ...fixed, '0xff': '\xff', A: 'A', dot: '.' }
const goodHeader = fill(vectors.header, base)
const good = compact(`${encode(goodHeader)}.${encode(vectors.claims)}`)
const [header = '', claims = '', signature = ''] = good.split('.')
const values = { ...base, token: good, header, claims, signature }

function change(text: string, replace?: [string, string], whole?: string): string {
  if (whole !== undefined) return fill(whole, values)
  const [from, to] = (replace ?? ['', '']).map((part) => fill(part, values))
  if (!text.includes(from ?? '')) throw new Error(`${from ?? ''} is not in ${text}`)
  return text.replace(from ?? '', () => to ?? '')
}

function tokenOf(vector: Vector): string {
  if (vector.text !== undefined) return fill(vector.text, values)
  if (vector.signed !== undefined) return compact(fill(vector.signed, values))
  const parts = [
    change(goodHeader, vector.header, vector.headerIs),
    change(vectors.claims, vector.claims, vector.claimsIs),
  ]
  const token = compact(parts.map(encode).join('.'))
  return vector.unsigned ? token.slice(0, token.lastIndexOf('.') + 1) : token
}

const tokens = (table: Record<string, Vector>): [string, string][] =>
  Object.entries(table).map(([name, vector]) => [name, tokenOf(vector)])

/** Tokens that authn accepts at {@link vectorTime}, by name. */
export const acceptedTokens = tokens(vectors.accepted)

/** Tokens that authn refuses then, by name. */
export const refusedTokens = tokens(vectors.refused)
