import { compareVersions } from '../../apk/version.ts'
import type { Provider } from './graph.ts'

/** Positive when apk would rather take `a` than `b` for a name both have, 0 when it takes the first it sees. */
export function compareProviders(a: Provider, b: Provider): number {
  const left = a.package
  const right = b.package
  return (
    Number(left.state.selectable) - Number(right.state.selectable) ||
    Number(left.state.merged) - Number(right.state.merged) ||
    right.state.conflicts - left.state.conflicts ||
    Number(left.state.tagAllowed) - Number(right.state.tagAllowed) ||
    Number(left.state.tagPreferred) - Number(right.state.tagPreferred) ||
    compareOptional(a.version, b.version) ||
    (left.name === right.name ? compareVersions(left.record.version, right.record.version) : 0) ||
    left.record.providerPriority - right.record.providerPriority ||
    right.firstRepository - left.firstRepository
  )
}

function compareOptional(a: string | undefined, b: string | undefined): number {
  return a === undefined || b === undefined ? 0 : compareVersions(a, b)
}
