import type { Outcome } from './builders.ts'
import type { DockerfileCase } from './corpus.ts'
import type { HistoryFact, ImageFacts, Listing } from './image-facts.ts'

/** One thing that is not the same: where, and both sides. */
export interface Difference {
  /** `config Env`, `history 3`, `layer 2 etc/passwd`, `time 2 etc/passwd` where all else is equal, `outcome`, `author` */
  readonly where: string
  readonly peer: string
  readonly own: string
}

/** How a builder words history: the classic one and buildah as the commands they ran. */
type Style = 'buildkit' | 'classic'

/** The style of a builder's images of a case. */
export function styleOf(builder: string, one: DockerfileCase): Style {
  return builder === 'classic' || one.only === 'labs' ? 'classic' : 'buildkit'
}

/**
 * All that differs between what two builders made of one Dockerfile. Left aside is how each words failures, and
 * directories that a layer only lists because something in them changed: those say nothing that the layers
 * below, `base` the lowest, have not said.
 */
export function compareOutcomes(
  peer: Outcome,
  own: Outcome,
  base: Listing,
  style: Style = 'buildkit',
): Difference[] {
  if (!peer.built || !own.built) {
    if (peer.built === own.built) return []
    const say = (outcome: Outcome): string => (outcome.built ? 'built' : `failed: ${outcome.said}`)
    return [{ where: 'outcome', peer: say(peer), own: say(own) }]
  }
  return compareImages(peer.image, own.image, base, style)
}

function compareImages(
  peer: ImageFacts,
  own: ImageFacts,
  base: Listing,
  style: Style,
): Difference[] {
  const found: Difference[] = []
  const same = (where: string, a: unknown, b: unknown): void => {
    const [left, right] = [text(a), text(b)]
    if (left !== right) found.push({ where, peer: left, own: right })
  }
  for (const field of new Set([...Object.keys(peer.config), ...Object.keys(own.config)]))
    same(`config ${field}`, peer.config[field], own.config[field])
  same('author', peer.author, own.author)
  const steps = [peer, own].map(({ history }) => history.map((entry) => step(entry, style)))
  for (let at = 0; at < Math.max(...steps.map(({ length }) => length)); at++)
    same(`history ${at}`, steps[0]![at], steps[1]![at])
  const [left, right] = [changes(peer.layers, base), changes(own.layers, base)]
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    if (left[at] === undefined || right[at] === undefined) {
      same(`layer ${at}`, left[at] && 'there', right[at] && 'there')
      continue
    }
    for (const name of new Set([...Object.keys(left[at]!), ...Object.keys(right[at]!)])) {
      const [a, b] = [left[at]![name], right[at]![name]]
      const isTime = a !== b && timeless(a) === timeless(b)
      same(isTime ? `time ${at} ${name}` : `layer ${at} ${name}`, a, b)
    }
  }
  return found
}

function text(value: unknown): string {
  if (value === undefined) return 'nothing'
  return typeof value === 'string' ? value : JSON.stringify(sorted(value))
}

/** Objects by key: they are sets of names. Lists as they are. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, one]) => [key, sorted(one)] as const)
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  )
}

/**
 * An entry as BuildKit words it, without the note whose it is. The classic builder writes the shell's command
 * line, `/bin/sh -c #(nop)` before all that runs nothing, and digests for what is copied: of a copy only that
 * it is one can be compared with it.
 */
function step({ createdBy, empty }: HistoryFact, style: Style): string {
  const layer = empty ? '' : ' (layer)'
  const plain = withSortedPorts(createdBy.replace(/ # buildkit$/, ''))
  if (style === 'buildkit') return plain + layer
  const config = /^(?:\|\d+ .* )?\/bin\/sh -c #\(nop\) +([^]*?) *$/.exec(plain)?.[1]
  const said = config ?? (/^[A-Z]+ /.test(plain) ? plain : `RUN ${plain}`)
  return said.replace(/^(COPY|ADD) [^]*/, '$1') + layer
}

/** BuildKit lists the ports of an EXPOSE in the order of a hash table, another one at every run. */
function withSortedPorts(entry: string): string {
  const [, ports] = /^EXPOSE \[(.*)\]$/.exec(entry) ?? []
  return ports === undefined ? entry : `EXPOSE [${ports.split(' ').toSorted().join(' ')}]`
}

/** What each layer changes in what the layers below it are. */
function changes(layers: readonly Listing[], base: Listing): Listing[] {
  const state = new Map(Object.entries(base))
  return layers.map((layer) => {
    const said = Object.entries(layer)
    const kept = said.filter(
      ([name, what]) =>
        !(what.startsWith('directory ') && timeless(state.get(name)) === timeless(what)),
    )
    for (const [name, what] of said) apply(state, name, what)
    return Object.fromEntries(kept)
  })
}

function timeless(what: string | undefined): string | undefined {
  return what?.replace(/ kept$/, '')
}

function apply(state: Map<string, string>, name: string, what: string): void {
  const directory = name.slice(0, name.lastIndexOf('/') + 1)
  if (what === 'opaque') remove(state, directory)
  else if (what === 'whiteout') {
    const hidden = directory + name.slice(directory.length + '.wh.'.length)
    state.delete(hidden)
    remove(state, `${hidden}/`)
  } else {
    if (!what.startsWith('directory ')) remove(state, `${name}/`)
    state.set(name, what)
  }
}

function remove(state: Map<string, string>, below: string): void {
  for (const name of state.keys()) if (name.startsWith(below)) state.delete(name)
}
