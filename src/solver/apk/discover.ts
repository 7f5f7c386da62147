import { untagged, type Name, type Package } from './graph.ts'

/** Looks up everything a name can lead to, each name once, and gives it its place in the order of settling. */
export function discoverNames(roots: readonly Name[]): void {
  let discovered = 0
  const visit = (name: Name): void => {
    const { state } = name
    if (state.seen) return
    state.seen = true
    const real = name.providers.some((provider) => provider.version !== undefined)
    state.order = [state.asked ? 0 : 1, real ? 1 : 0, ++discovered]
    state.noTriggerable = true
    for (const { package: pkg } of name.providers) {
      if (!pkg.state.seen) {
        openPackage(pkg)
        for (const need of pkg.depends) {
          addDependent(need.name, pkg.name)
          visit(need.name)
        }
      }
      state.noTriggerable &&= pkg.state.untriggerable
    }
    for (const { package: pkg } of name.providers) {
      visit(pkg.name)
      visitTriggers(pkg.name)
      for (const provision of pkg.provides) {
        visit(provision.name)
        visitTriggers(provision.name)
      }
    }
    visitTriggers(name)
  }
  const visitTriggers = (name: Name): void => {
    for (const triggered of name.triggers) {
      if (triggered.state.seen) continue
      const possible = triggered.providers.some(({ package: pkg }) =>
        pkg.installIf.every((need) => need.dependency.conflict || need.name.state.seen),
      )
      if (possible) visit(triggered)
    }
  }
  roots.forEach(visit)
}

function openPackage({ state, tags, record, installIf }: Package): void {
  state.seen = true
  // what has nothing to fetch comes from anywhere
  state.tagPreferred = (tags & untagged) !== 0 || record.installedSize === 0
  state.tagAllowed = state.tagPreferred
  state.untriggerable = installIf.length === 0
}

function addDependent(name: Name, dependent: Name): void {
  if (!name.state.dependents.includes(dependent)) name.state.dependents.push(dependent)
}
