import { meets, type Name, type Need, type Package } from './graph.ts'

/** Who has a need: a package, or nobody but the world. */
export interface Demand {
  readonly by: Package | undefined
  readonly need: Need
}

export interface Ordered {
  /** in the order apk installs them */
  readonly packages: readonly Package[]
  /** demands of the world and of these packages that what was chosen does not meet */
  readonly unmet: readonly Demand[]
  /** why each package is there, the one that brought it in first */
  readonly demands: ReadonlyMap<Package, readonly Demand[]>
  /** packages nobody needs: they came with others, as `install_if` has it */
  readonly triggered: ReadonlySet<Package>
}

/**
 * The chosen packages in apk's order: depth first over the world, a package after what it needs, and after it
 * at once what is to be installed with it and has everything now.
 */
export function orderPackages(world: readonly Need[]): Ordered {
  const packages: Package[] = []
  const unmet: Demand[] = []
  const demands = new Map<Package, Demand[]>()
  const triggered = new Set<Package>()
  const place = (name: Name): void => {
    if (name.state.ordered) return
    name.state.ordered = true
    const pkg = name.state.chosen?.package
    if (pkg === undefined || pkg.state.ordered) return
    pkg.state.ordered = true
    const own = [pkg.name, ...pkg.provides.map((one) => one.name)]
    for (const one of own) one.state.ordered = true
    for (const need of pkg.depends) follow({ by: pkg, need })
    packages.push(pkg)
    for (const one of own) one.triggers.forEach(placeTriggered)
  }
  const follow = (demand: Demand): void => {
    const { chosen } = demand.need.name.state
    if (!meets(demand.need, chosen)) unmet.push(demand)
    else if (chosen !== undefined) {
      const known = demands.get(chosen.package)
      if (known === undefined) demands.set(chosen.package, [demand])
      else known.push(demand)
    }
    place(demand.need.name)
  }
  const placeTriggered = (name: Name): void => {
    const pkg = name.state.chosen?.package
    if (pkg === undefined || !name.state.seen || pkg.state.ordered) return
    const ready = pkg.installIf.every(
      (need) => need.name.state.ordered && meets(need, need.name.state.chosen),
    )
    if (!ready) return
    triggered.add(pkg)
    place(name)
  }
  for (const need of world) follow({ by: undefined, need })
  return { packages, unmet, demands, triggered }
}
