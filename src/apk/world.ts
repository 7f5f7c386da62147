import { formatDependency, parseDependency } from './dependency.ts'
import { compareNames } from './name-order.ts'
import { PlinthError } from '../errors.ts'

/**
 * `etc/apk/world` as apk writes it: what was asked for, one a line, in the order of names. Throws `USAGE` for
 * what apk would not understand.
 */
export function formatWorld(requests: Iterable<string>): string {
  const dependencies = [...requests].map((request) => {
    const dependency = parseDependency(request)
    if (dependency !== undefined && dependency.name !== '') return dependency
    throw new PlinthError('USAGE', `'${request}' is no line of etc/apk/world`, {
      hint: 'write NAME, NAME@TAG, NAME=VERSION, NAME>VERSION, NAME~VERSION or !NAME',
    })
  })
  const lines = dependencies
    .toSorted((a, b) => compareNames(a.name, b.name))
    .map((one) => formatDependency(one))
  return `${lines.join('\n')}\n`
}
