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
    const own = providers.filter((provider) => provider.package.name === name).length
    state.kind = own === providers.length ? 'real' : own > 0 ? 'mixed' : 'virtual'
    state.noTriggerable = true
    const opened: Package[] = []
    for (const { package: pkg } of providers) {
      if (!pkg.state.seen) {
        openPackage(pkg)
        opened.push(pkg)
        for (const need of pkg.depends) {
          visit(need.name)
          pkg.state.depth = Math.max(pkg.state.depth, need.name.state.depth + 1)
        }
      }
      // one that leads back to a name or package that is being looked up finds how deep that is as yet
      state.depth = Math.max(state.depth, pkg.state.depth)
      state.noTriggerable &&= pkg.state.untriggerable
    }
    opened.forEach(visitCompanions)
  }
  const visitCompanions = (pkg: Package): void => {
    visitTriggers(pkg.name)
    // a name that was looked up already is not asked again who comes with it, as in apk
    for (const { name } of pkg.provides) if (!name.state.seen) visitTriggers(name)
  }
  const visitTriggers = (name: Name): void => {
    name.state.atHand = true
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
    pkg.installIf.every(
      ({ dependency, name }) => dependency.conflict || name.state.seen || name.state.atHand,
    )
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
