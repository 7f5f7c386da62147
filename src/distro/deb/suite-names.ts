import { readdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { isFlat, suiteUrl, type DebSource } from '../../deb/sources.ts'
import { PlinthError } from '../../errors.ts'
import { displayUrl, type Http } from '../../http/http.ts'
import { nearest } from '../../nearest.ts'
import { debianSuites, ubuntuSuites } from './presets.ts'

/** How long a person waits for a better error message. */
const patience = 3000

/**
 * The error for a suite that no mirror has: it names what may have been meant, from the mirror's own list of
 * suites where that can be read, else from those that are known by name.
 */
export async function suiteNotFound(
  source: DebSource,
  suite: string,
  deps: { readonly http: Http; readonly signal: AbortSignal },
): Promise<PlinthError> {
  const listed = isFlat(suite) ? [] : await listSuites(source.uris[0] ?? '', deps)
  const names = listed.length > 0 ? listed : [...debianSuites, ...ubuntuSuites]
  const close = nearest(suite, names)
  const meant = close.length > 0 ? `did you mean ${close.join(' or ')}? ` : ''
  const there =
    listed.length > 0 && close.length === 0 ? `it has: ${listed.slice(0, 30).join(', ')}. ` : ''
  return new PlinthError(
    'SUITE_NOT_FOUND',
    `there is no ${isFlat(suite) ? 'repository' : 'suite'} '${suite}' at ${source.uris.map(displayUrl).join(', ')}`,
    {
      hint: `${meant}${there}check the name and the mirror; old releases move to an archive mirror`,
      facts: { suite, uris: source.uris.map(displayUrl), known: listed, nearest: close },
    },
  )
}

/** What a mirror shows below `dists/`; empty when it shows nothing. */
async function listSuites(
  uri: string,
  { http, signal }: { readonly http: Http; readonly signal: AbortSignal },
): Promise<readonly string[]> {
  const url = suiteUrl(uri, 'x').slice(0, -'x/'.length)
  try {
    if (url.startsWith('file:')) return (await readdir(fileURLToPath(url))).toSorted()
    const response = await http.get(url, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(patience)]),
    })
    if (response.status !== 200) {
      response.discard()
      return []
    }
    let page = ''
    for await (const chunk of response.body) {
      page += Buffer.from(chunk).toString('latin1')
      if (page.length > 1_000_000) break
    }
    const links = [...page.matchAll(/href="(?:\.\/)?([A-Za-z0-9][A-Za-z0-9._-]*)\/"/g)].map(
      ([, name]) => name ?? '',
    )
    return [...new Set(links)].toSorted()
  } catch {
    // the hint is worth a try, not another error
    return []
  }
}
