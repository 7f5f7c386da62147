import { discoverNames } from './discover.ts'
import {
  meets,
  type Fallen,
  type Graph,
  type Name,
  type Need,
  type Package,
  type Provider,
} from './graph.ts'
import { compareProviders } from './prefer.ts'
import { createQueues, type Queues } from './queues.ts'

/** A demand nothing was chosen for, or a choice that breaks something. */
export type Failure =
  | { readonly kind: 'broken'; readonly package: Package; readonly name: Name }
  | { readonly kind: 'missing'; readonly name: Name }
  | { readonly kind: 'twice'; readonly name: Name; readonly package: Package }

/** Settles every name the world leads to, as apk does: no choice is ever taken back. */
export function settleNames(graph: Graph, world: readonly Need[]): readonly Failure[] {
  for (const { name } of world) name.state.asked = true
  discoverNames(world.map((need) => need.name))
  const solver: Solver = { graph, queues: createQueues(), failures: [] }
  for (const need of world) demand(solver, undefined, need)
  for (;;) {
    let name: Name | undefined
    while ((name = solver.queues.nextDirty()) !== undefined) reconsider(solver, name)
    name = solver.queues.nextWaiting()
    if (name === undefined) return solver.failures
    settle(solver, name)
  }
}

interface Solver {
  readonly graph: Graph
  readonly queues: Queues
  readonly failures: Failure[]
}

/** Adds a demand of a package, or of the world: what does not meet it falls. */
function demand(solver: Solver, by: Package | undefined, need: Need): void {
  const { state, providers } = need.name
  if (!need.dependency.conflict && ++state.demands === 1) firstDemand(solver, need.name)
  for (const provider of providers) {
    const pkg = provider.package
    if (meets(need, provider)) {
      allowTags(solver, pkg, by, need)
      continue
    }
    pkg.state.conflicts++
    disqualify(solver, pkg, { kind: 'demand', by, need })
  }
}

function firstDemand({ queues }: Solver, name: Name): void {
  queues.wait(name)
  queues.soil(name)
}

/** A pin of the world counts for the package and is passed on, as a permission, to what it needs. */
function allowTags({ graph }: Solver, pkg: Package, by: Package | undefined, need: Need): void {
  const { state } = pkg
  if (by === undefined) {
    const { tag } = need.dependency
    const bit = tag === undefined ? 1 : (graph.tagBits.get(tag) ?? 0)
    state.allowedTags |= bit
    state.tagPreferred = (pkg.tags & bit) !== 0
  } else state.allowedTags |= by.state.allowedTags
  state.tagAllowed ||= (pkg.tags & state.allowedTags) !== 0
}

function disqualify(solver: Solver, pkg: Package, fallen: Fallen): void {
  // apk looks again at who comes with what a choice rules out, also where that was out before
  if (!pkg.state.selectable && fallen.kind !== 'chosen') return
  pkg.state.selectable = false
  pkg.state.fallen ??= fallen
  recheckDependents(solver, pkg.name)
  for (const { name } of pkg.provides) recheckDependents(solver, name)
  recheckTriggered(solver, pkg)
}

function recheckDependents({ queues }: Solver, name: Name): void {
  for (const dependent of name.state.dependents) {
    if (!dependent.state.seen) continue
    dependent.state.recheckNeeds = true
    queues.soil(dependent)
  }
}

function recheckTriggered(solver: Solver, pkg: Package): void {
  recheckTriggersOf(solver, pkg.name)
  for (const { name } of pkg.provides) recheckTriggersOf(solver, name)
}

function recheckTriggersOf({ queues }: Solver, name: Name): void {
  for (const triggered of name.triggers) {
    const { state } = triggered
    if (!state.seen || state.noTriggerable) continue
    state.recheckTriggers = true
    queues.soil(triggered)
  }
}

/** Whether a provider may be taken for the name it has though nobody named it. */
function isSelectable({ version, package: pkg }: Provider): boolean {
  return version !== undefined || pkg.record.providerPriority > 0 || pkg.name.state.demands > 0
}

/** Whether a need can still be met. */
function isPossible(need: Need): boolean {
  const { state, providers } = need.name
  if (state.settled) return meets(need, state.chosen)
  if (state.demands === 0 && need.dependency.conflict) return true
  return providers.some((provider) => provider.package.state.selectable && meets(need, provider))
}

/** Looks at a name's providers again: who is out, who is triggered, what all that remain have in common. */
function reconsider(solver: Solver, name: Name): void {
  const { state } = name
  const { recheckNeeds, recheckTriggers } = state
  state.recheckNeeds = false
  state.recheckTriggers = false
  let hasTriggered = false
  let noTriggerable = true
  const options: Package[] = []
  for (const provider of name.providers) {
    const pkg = provider.package
    pkg.state.merging = false
    pkg.state.merged = false
    if (recheckNeeds && pkg.state.selectable) {
      const impossible = pkg.depends.find((need) => !isPossible(need))
      if (impossible !== undefined) disqualify(solver, pkg, { kind: 'need', need: impossible })
    }
    if (!pkg.state.selectable) continue
    if (recheckTriggers) checkTriggers(solver, pkg)
    hasTriggered ||= pkg.state.triggered
    noTriggerable &&= pkg.state.untriggerable
    if (state.demands === 0) continue
    pkg.state.merging = true
    for (const { dependency, name: needed } of pkg.depends)
      if (!dependency.conflict && needed.state.sharedNeed === options.length)
        needed.state.sharedNeed++
    for (const provided of provisionsOf(pkg))
      if (provided.name.state.sharedProvision === options.length)
        provided.name.state.sharedProvision++
    options.push(pkg)
  }
  state.hasTriggered = hasTriggered
  state.noTriggerable = noTriggerable
  if (state.demands > 0) handDown(solver, name, options)
  state.urgent =
    state.demands > 0 &&
    options.length <= 1 &&
    state.dependents.every((dependent) => dependent.state.settled)
  solver.queues.wait(name)
}

function checkTriggers(solver: Solver, pkg: Package): void {
  const { state, installIf } = pkg
  if (state.triggered || state.untriggerable) return
  state.triggered = true
  for (const need of installIf) {
    const { settled, chosen } = need.name.state
    if (settled && meets(need, chosen)) continue
    state.triggered = false
    state.untriggerable = settled
    break
  }
  if (!state.triggered) return
  for (const need of installIf) {
    const { chosen } = need.name.state
    if (chosen !== undefined) allowTags(solver, pkg, chosen.package, need)
  }
}

function provisionsOf(
  pkg: Package,
): readonly { readonly name: Name; readonly version: string | undefined }[] {
  return [{ name: pkg.name, version: pkg.record.version }, ...pkg.provides]
}

/** What all options need is needed whichever is taken; of a name they all have, nothing else can be taken. */
function handDown(solver: Solver, name: Name, options: readonly Package[]): void {
  const shared = (needed: Name): boolean => {
    const all = needed.state.sharedNeed === options.length
    needed.state.sharedNeed = 0
    return all
  }
  for (const pkg of options) {
    if (!pkg.state.merging) continue
    for (const need of pkg.depends) {
      if (!shared(need.name)) continue
      if (options.length === 1) demand(solver, pkg, need)
      else if (need.name.state.demands === 0) {
        need.name.state.demands++
        firstDemand(solver, need.name)
        for (const provider of need.name.providers) {
          provider.package.state.merged = true
          allowTags(solver, provider.package, pkg, need)
        }
      }
    }
    for (const provided of provisionsOf(pkg)) {
      const { state } = provided.name
      const all = state.sharedProvision === options.length
      state.sharedProvision = 0
      if (all) excludeOthers(solver, provided.name, name, provided.version === undefined)
    }
    pkg.state.merging = false
  }
}

/** Disqualifies what has `name` and not `required` as well. */
function excludeOthers(solver: Solver, name: Name, required: Name, sharing: boolean): void {
  if (name === required) return
  for (const { package: pkg, version } of name.providers) {
    if ((sharing && version === undefined) || pkg.name === required) continue
    if (pkg.provides.some((one) => one.name === required || (sharing && one.version === undefined)))
      continue
    disqualify(solver, pkg, { kind: 'not-all', name: required })
  }
}

/** Chooses for a name, for good. */
function settle(solver: Solver, name: Name): void {
  const { state } = name
  let best: Provider | undefined
  for (const provider of name.providers) {
    const pkg = provider.package
    if (state.demands === 0 && !(pkg.state.triggered && pkg.state.tagAllowed)) continue
    if (!isSelectable(provider)) continue
    if (best === undefined || compareProviders(provider, best) > 0) best = provider
  }
  if (best === undefined) {
    assign(solver, name, undefined)
    if (state.demands > 0) solver.failures.push({ kind: 'missing', name })
    return
  }
  const pkg = best.package
  if (!pkg.state.selectable || !pkg.state.tagAllowed)
    solver.failures.push({ kind: 'broken', package: pkg, name })
  assign(solver, pkg.name, { package: pkg, version: pkg.record.version })
  for (const { name: provided, version } of pkg.provides)
    assign(solver, provided, { package: pkg, version })
  for (const need of pkg.depends) demand(solver, pkg, need)
}

function assign(solver: Solver, name: Name, provider: Provider | undefined): void {
  const { state } = name
  if (state.settled) {
    if (provider === undefined) return
    if (provider.version === undefined && state.chosen?.version === undefined) return
    solver.failures.push({ kind: 'twice', name, package: provider.package })
    return
  }
  state.settled = true
  state.chosen = provider
  solver.queues.drop(name)
  for (const other of name.providers) {
    if (other.package === provider?.package) continue
    if (provider !== undefined && provider.version === undefined && other.version === undefined)
      continue
    disqualify(solver, other.package, { kind: 'chosen', name, package: provider?.package })
  }
  recheckDependents(solver, name)
  if (provider === undefined) recheckTriggersOf(solver, name)
  else recheckTriggered(solver, provider.package)
}
