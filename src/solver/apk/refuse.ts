import { formatDependency } from '../../apk/dependency.ts'
import { PlinthError } from '../../errors.ts'
import { explainUnmet, type Rejected, type Unmet } from '../explain.ts'
import { meets, type Graph, type Need, type Package, type Provider } from './graph.ts'
import type { Demand, Ordered } from './order.ts'
import type { Failure } from './settle.ts'

/** how far down an explanation follows what is missing */
const deepest = 4
/** how many candidates of one need it lists */
const mostShown = 12

/** What an explanation looks at. */
interface Scene extends Ordered {
  readonly graph: Graph
}

/** Explains what is broken: `UNSATISFIABLE` with every need that is not met, who has it, and why. */
export function refuse(
  scene: Scene,
  failures: readonly Failure[],
  request: readonly string[],
): PlinthError {
  const unmet = scene.unmet.map((demand) => describe(scene, demand))
  for (const failure of failures) {
    if (failure.kind === 'twice') unmet.push(describeTwice(scene, failure))
    else if (failure.kind === 'broken' && !failure.package.state.tagAllowed)
      unmet.push(describeMasked(scene, failure.package))
  }
  // a choice that no need was left unmet by, and is broken all the same
  if (unmet.length === 0)
    for (const failure of failures)
      if (failure.kind === 'broken') unmet.push(describeMasked(scene, failure.package))
  const more = request.length > 8 ? ` and ${request.length - 8} more` : ''
  return new PlinthError(
    'UNSATISFIABLE',
    `cannot install ${request.slice(0, 8).join(' ')}${more}:\n${explainUnmet(unmet)}`,
    {
      hint: 'leave out one of the packages that are at odds, name one of the providers, or add a repository that has what is missing',
      facts: { asked: request, unmet },
    },
  )
}

function describe(scene: Scene, { by, need }: Demand): Unmet {
  return {
    chain: chainTo(scene, by),
    field: need.dependency.conflict ? 'Conflicts' : 'Depends',
    relation: formatDependency({ ...need.dependency, conflict: false }),
    rejected: need.dependency.conflict ? standing(scene, need) : rejections(scene, need, 0),
  }
}

/** Two packages that have a name only one can have. */
function describeTwice(scene: Scene, { name, package: pkg }: Failure & { kind: 'twice' }): Unmet {
  const chosen = name.state.chosen?.package
  return {
    chain: chainTo(scene, pkg),
    field: 'Conflicts',
    relation: `whatever else is ${name.text}`,
    rejected:
      chosen === undefined
        ? []
        : [
            {
              candidate: label(chosen),
              why: chosen === pkg ? 'provides it twice' : because(scene, chosen),
            },
          ],
  }
}

/** A package that had to be taken though it must not. */
function describeMasked(scene: Scene, pkg: Package): Unmet {
  const [first] = scene.demands.get(pkg) ?? []
  return {
    chain: chainTo(scene, first?.by),
    field: 'Depends',
    relation: first === undefined ? pkg.name.text : formatDependency(first.need.dependency),
    rejected: [{ candidate: label(pkg), why: whyNot(scene, { package: pkg, version: '' }, 0) }],
  }
}

function label({ record }: Package): string {
  return `${record.name} ${record.version}`
}

const worldItself = 'what is asked for'

/** Who needed it, from what was asked for. */
function chainTo({ demands }: Scene, pkg: Package | undefined): readonly string[] {
  if (pkg === undefined) return [worldItself]
  const chain: string[] = []
  const seen = new Set<Package>()
  for (let next: Package | undefined = pkg; next !== undefined && !seen.has(next);) {
    chain.unshift(label(next))
    seen.add(next)
    const reasons: readonly Demand[] = demands.get(next) ?? []
    next = reasons.some(({ by }) => by === undefined) ? undefined : reasons[0]?.by
  }
  return chain
}

/** Why a package is chosen. */
function because(scene: Scene, pkg: Package): string {
  const above = chainTo(scene, pkg).slice(0, -1)
  if (above.length > 0) return `needed by ${above.toReversed().join(', for ')}`
  return scene.triggered.has(pkg) ? `installed if ${wantsToBeWith(pkg)}` : 'asked for'
}

function wantsToBeWith({ installIf }: Package): string {
  return installIf.map((need) => formatDependency(need.dependency)).join(' and ')
}

/** What is to be kept away and is there all the same. */
function standing(scene: Scene, { name }: Need): readonly Rejected[] {
  const chosen = name.state.chosen?.package
  return chosen === undefined ? [] : [{ candidate: label(chosen), why: because(scene, chosen) }]
}

/** Why nothing that has a name meets a need of it. */
function rejections(scene: Scene, need: Need, depth: number): readonly Rejected[] {
  const { providers } = need.name
  return providers.slice(0, depth === 0 ? mostShown : 1).map((provider) => ({
    candidate: label(provider.package),
    why: meets(need, provider)
      ? whyNot(scene, provider, depth)
      : `is not ${formatDependency(need.dependency)}`,
  }))
}

function whyNot(scene: Scene, provider: Provider, depth: number): string {
  const pkg = provider.package
  const { fallen, tagAllowed } = pkg.state
  if (!tagAllowed) {
    const tags = pkg.repositories.map(({ tag }) => `@${tag}`)
    return `is only in ${tags.join(', ')}: ask for ${pkg.name.text}${tags[0]}`
  }
  const surprising = provider.version === undefined && pkg.record.providerPriority === 0
  const unasked =
    'provides it without a version: apk takes it only when it is asked for by its own name'
  switch (fallen?.kind) {
    case undefined:
      return surprising ? unasked : 'cannot be taken together with the rest'
    case 'demand': {
      const { by, need } = fallen
      const wanted = formatDependency(need.dependency)
      return by === undefined ? `${wanted} is asked for` : `${label(by)} needs ${wanted}`
    }
    case 'chosen':
      if (fallen.package === undefined && surprising) return unasked
      return fallen.package === undefined
        ? `nothing could be chosen for ${fallen.name.text}`
        : `${label(fallen.package)} is chosen for ${fallen.name.text}: ${because(scene, fallen.package)}`
    case 'not-all':
      return `is not ${fallen.name.text} as well, which is needed`
    case 'need':
      return whyNeed(scene, fallen.need, depth)
  }
}

function whyNeed(scene: Scene, need: Need, depth: number): string {
  const wanted = formatDependency(need.dependency)
  const { chosen } = need.name.state
  if (need.dependency.conflict)
    return chosen === undefined
      ? `needs ${wanted}`
      : `needs ${wanted}, but ${label(chosen.package)} is chosen: ${because(scene, chosen.package)}`
  if (need.name.providers.length === 0) return `needs ${wanted}, which no repository has`
  if (depth >= deepest) return `needs ${wanted}`
  const [inner] = rejections(scene, need, depth + 1)
  return inner === undefined
    ? `needs ${wanted}`
    : `needs ${wanted}, but ${inner.candidate}: ${inner.why}`
}
