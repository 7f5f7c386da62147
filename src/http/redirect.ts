import { PlinthError } from '../errors.ts'
import { displayUrl } from './http.ts'

const maxRedirects = 10

/**
 * Where a redirect leads: to http or https, and never from https to http. `HTTP_STATUS` for anything else
 * and for the eleventh in a row.
 */
export function redirectTarget(
  from: URL,
  location: string,
  { status, hops }: { status: number; hops: number },
): URL {
  const refuse = (why: string): PlinthError =>
    new PlinthError('HTTP_STATUS', `cannot get ${displayUrl(from.href)}: ${why}`, {
      hint: 'use the address it finally leads to, or another mirror',
      facts: { status, url: displayUrl(from.href) },
    })
  if (hops >= maxRedirects) throw refuse(`more than ${maxRedirects} redirects`)
  if (!URL.canParse(location, from.href))
    throw refuse('it redirects to something that is no address')
  const to = new URL(location, from)
  if (to.protocol !== 'http:' && to.protocol !== 'https:')
    throw refuse(`it redirects to ${to.protocol}`)
  if (from.protocol === 'https:' && to.protocol === 'http:')
    throw refuse('it redirects from https to http')
  return to
}
