import { untagged, type Name, type Package } from './graph.ts'

/**
 * Looks up everything a name can lead to, each name once, breadth first, and gives it its place in the order
 * of settling.
 */
export function discoverNames(roots: readonly Name[]): void {
  const found: Name[] = []
  const list = (name: Name): void => {
    if (name.state.seen) return
    name.state.seen = true
    found.push(name)
  }
  roots.forEach(list)
  // what is found on the way is looked at in its turn
  for (const name of found) open(name, list)
  const depths = measureDepths(found)
  for (const [number, name] of found.entries()) {
    const { state } = name
    state.order = [Number(state.asked), Number(isReal(name)), depths.get(name) ?? 0, number]
  }
}

function open(name: Name, list: (name: Name) => void): void {
  const { state, providers } = name
  state.noTriggerable = true
  for (const { package: pkg } of providers) {
    if (!pkg.state.seen) {
      openPackage(pkg)
      for (const need of pkg.depends) {
        addDependent(need.name, pkg.name)
        for (const provision of pkg.provides) addDependent(need.name, provision.name)
        // what is to be kept away is nothing to look for
        if (!need.dependency.conflict) list(need.name)
      }
    }
    state.noTriggerable &&= pkg.state.untriggerable
  }
  for (const { package: pkg } of providers) {
    list(pkg.name)
    listTriggered(pkg.name, list)
    for (const provision of pkg.provides) {
      list(provision.name)
      listTriggered(provision.name, list)
    }
  }
  listTriggered(name, list)
}

function listTriggered(name: Name, list: (name: Name) => void): void {
  for (const triggered of name.triggers) {
    if (triggered.state.seen) continue
    const possible = triggered.providers.some(({ package: pkg }) =>
      pkg.installIf.every((need) => need.dependency.conflict || need.name.state.seen),
    )
    if (possible) list(triggered)
  }
}

/** Whether nothing but packages of that name has it. */
function isReal(name: Name): boolean {
  return name.providers.every((provider) => provider.package.name === name)
}

/** How long the longest chain of needs below each name is; one that leads back to itself ends there. */
function measureDepths(names: readonly Name[]): ReadonlyMap<Name, number> {
  const depths = new Map<Name, number>()
  const measure = (name: Name): number => {
    const known = depths.get(name)
    if (known !== undefined) return known
    depths.set(name, 0)
    let depth = 0
    for (const { package: pkg } of name.providers)
      for (const need of pkg.depends) depth = Math.max(depth, measure(need.name) + 1)
    depths.set(name, depth)
    return depth
  }
  names.forEach(measure)
  return depths
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
