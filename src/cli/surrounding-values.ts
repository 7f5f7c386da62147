import { PlinthError } from '../errors.ts'
import type { Proxies } from '../http/proxy.ts'
import type { StageDeps } from './stages.ts'

/** SOURCE_DATE_EPOCH (reproducible-builds.org): the time to give the image. Throws `USAGE` when it is no time. */
export function sourceDateEpoch(env: StageDeps['env']): number | undefined {
  const text = env['SOURCE_DATE_EPOCH']
  if (!text) return undefined
  if (/^[0-9]{1,12}$/.test(text)) return Number(text)
  throw new PlinthError('USAGE', `SOURCE_DATE_EPOCH is '${text}', which is not seconds since 1970`)
}

/** `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, lower case first, as curl reads them. */
export function proxiesOf(env: StageDeps['env']): Proxies {
  const named = (name: string): string | undefined =>
    env[name] || env[name.toUpperCase()] || undefined
  return {
    // HTTP_PROXY in capitals can be set by a request's header where plinth runs behind CGI
    http: env['http_proxy'] || named('all_proxy'),
    https: named('https_proxy') ?? named('all_proxy'),
    bypass: named('no_proxy')
      ?.split(',')
      .map((host) => host.trim()),
  }
}
