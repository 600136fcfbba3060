import { el } from '../dom.ts'
import { hashOf } from './address.ts'

/** The ways to the next page of a list, and back to its first. Both are addresses, so Back leads to the page before. */
export function pager(path: `/${string}`, query: URLSearchParams, next: string | undefined): HTMLElement {
  const filter = Object.fromEntries(query)
  const links: HTMLElement[] = []
  if (query.has('cursor')) links.push(link('First page', hashOf(path, { ...filter, cursor: '' })))
  if (next !== undefined) links.push(link('Next page', hashOf(path, { ...filter, cursor: next })))
  if (links.length === 0) return el('div')
  return el('nav', { 'aria-label': 'Pages' }, el('ul', { class: 'plain pages' }, ...links))
}

function link(words: string, href: string): HTMLElement {
  return el('li', {}, el('a', { href }, words))
}
