import { untagged, type Name, type Package } from './graph.ts'
import { sortNames } from './name-table.ts'

/**
 * Looks up everything a name can lead to, each name once, depth first, and finds how deep it is: names above
 * are settled before what they may need.
 */
export function discoverNames(roots: readonly Name[]): void {
  const found: Name[] = []
  const visit = (name: Name): void => {
    const { state, providers } = name
    if (state.seen) return
    state.seen = true
    found.push(name)
    state.real = providers.every((provider) => provider.package.name === name)
    state.noTriggerable = true
    // one that leads back to itself finds 0 there
    let depth = 0
    for (const { package: pkg } of providers) {
      const opened = !pkg.state.seen
      if (opened) openPackage(pkg)
      for (const need of pkg.depends) {
        visit(need.name)
        depth = Math.max(depth, need.name.state.depth + 1)
      }
      state.noTriggerable &&= pkg.state.untriggerable
      if (!opened) continue
      visit(pkg.name)
      visitTriggers(pkg.name)
      for (const provision of pkg.provides) {
        // a name that is being looked up already is not asked again who comes with it, as in apk
        if (provision.name === name) continue
        visit(provision.name)
        visitTriggers(provision.name)
      }
    }
    state.depth = depth
  }
  const visitTriggers = (name: Name): void => {
    for (const triggered of name.triggers)
      if (!triggered.state.seen && triggered.providers.some(isPossible)) visit(triggered)
  }
  roots.forEach(visit)
  linkDependents(found)
}

/** Whether everything the provider is to be installed with has been found. */
function isPossible({ package: pkg }: { readonly package: Package }): boolean {
  return (
    pkg.installIf.length > 0 &&
    pkg.installIf.every((need) => need.dependency.conflict || need.name.state.seen)
  )
}

function openPackage({ state, tags, record, installIf }: Package): void {
  state.seen = true
  // what has nothing to fetch comes from anywhere
  state.tagPreferred = (tags & untagged) !== 0 || record.installedSize === 0
  state.tagAllowed = state.tagPreferred
  state.untriggerable = installIf.length === 0
}

/** Notes with each name who must be looked at again when it changes. */
function linkDependents(names: readonly Name[]): void {
  for (const dependent of sortNames(names))
    for (const { package: pkg } of dependent.providers)
      for (const { name } of pkg.depends)
        if (name.state.dependents.at(-1) !== dependent) name.state.dependents.push(dependent)
}
