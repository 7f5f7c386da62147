import type { IndexRecord } from '../../src/apk/index-record.ts'
import type { Universe } from '../../src/solver/apk/universe.ts'
import { checksumOf, stanzasOf, type IndexText } from './apk-universe.ts'

type Random = () => number

/**
 * Makes indexes of a dozen packages with as much of everything as the rules of apk have: versions, provided
 * names, priorities, conflicts, installed-if, pinned repositories.
 */
export function drawIndexes(random: Random): readonly IndexText[] {
  const { pick, chance, upTo } = dice(random)
  const style = {
    versions: chance(0.6) ? 3 : 1,
    provides: pick([0, 0.3, 0.6]),
    conflicts: pick([0, 0.1, 0.3]),
    installIf: pick([0, 0.15, 0.4]),
    priorities: pick([0, 0.3]),
    versioned: pick([0, 0.3]),
  }
  const names = Array.from({ length: 4 + upTo(10) }, (_, number) => `p${number}`)
  const virtual = ['v0', 'v1', 'v2', 'cmd:c']
  const need = (conflicting: boolean): string => {
    const name = pick(chance(0.6) ? names : virtual)
    const mark = conflicting && chance(style.conflicts) ? '!' : ''
    return `${mark}${name}${chance(style.versioned) ? constraint(random) : ''}`
  }
  const several = (most: number, draw: () => string): string =>
    Array.from({ length: upTo(most) }, draw).join(' ')
  const record = (name: string, seed: string): string => {
    const version = `${1 + upTo(style.versions)}`
    const provide = (): string => {
      const provided = pick(chance(0.8) ? virtual : names)
      return chance(0.5) ? provided : `${provided}=${1 + upTo(3)}`
    }
    const fields = [
      `P:${name}`,
      `V:${version}`,
      'A:x86_64',
      'S:1',
      `I:${chance(0.05) ? 0 : 1}`,
      ...(chance(style.priorities) ? [`k:${upTo(3)}`] : []),
      `D:${several(4, () => need(true))}`,
      ...(chance(style.provides) ? [`p:${several(4, provide)}`] : []),
      ...(chance(style.installIf) ? [`i:${several(3, () => need(true))}`] : []),
    ]
    return `${[`C:${checksumOf(chance(0.1) ? fields.join('\n') : seed + fields.join('\n'))}`, ...fields].join('\n')}\n`
  }
  const tags = pick([
    [undefined],
    [undefined],
    [undefined, undefined],
    [undefined, 'edge'],
    [undefined, 'edge', 'test', undefined],
  ])
  return tags.map((tag, number) => {
    const stanzas = Array.from({ length: Math.ceil(names.length * 1.3) }, (_, row) =>
      record(
        number === 0 && row < names.length ? names[row]! : pick(names),
        `${number}/${row} ${random()}`,
      ),
    )
    // apk knows one package of a name and version in an index
    return { tag, text: `${stanzas.join('\n')}\n` }
  })
}

/**
 * Repositories beside a real index: one with newer packages, one pinned by `@edge` with newer ones yet, each
 * with a part of them, whole origins at a time.
 */
export function drawNeighbours(text: string, random: Random): readonly IndexText[] {
  const newer = (share: number, revision: number): string => {
    const chosen = new Map<string, boolean>()
    const stanzas = stanzasOf(text).flatMap((stanza) => {
      const origin = /^o:(.*)$/m.exec(stanza)?.[1] ?? ''
      if (!chosen.has(origin)) chosen.set(origin, random() < share)
      if (chosen.get(origin) !== true) return []
      const [, version = ''] = /^V:(.*)$/m.exec(stanza) ?? []
      const raised = version.replace(/-r(\d+)$/, (_, old: string) => `-r${Number(old) + revision}`)
      return stanza
        .replace(/^C:.*$/m, `C:${checksumOf(`${revision}${stanza}`)}`)
        .replaceAll(/^([VDpi]:)(.*)$/gm, (_, letter: string, value: string) =>
          letter === 'V:' ? `V:${raised}` : letter + value.replaceAll(`=${version}`, `=${raised}`),
        )
    })
    return `${stanzas.join('\n\n')}\n\n`
  }
  return [{ text: newer(0.2, 1) }, { tag: 'edge', text: newer(0.3, 5) }]
}

/** Draws a request: mostly names, a part with versions, pins, what is only provided, what must not be there. */
export function drawRequest(
  { repositories }: Universe,
  random: Random,
  { size, spice }: { readonly size: number; readonly spice: number },
): readonly string[] {
  const { pick, chance } = dice(random)
  const tags = repositories.flatMap(({ tag }) => tag ?? [])
  const spicy = chance(spice)
  const draw = (): string => {
    const record = pick(pick(repositories.filter(({ records }) => records.length > 0)).records)
    if (!spicy) return record.name
    const tag = tags.length > 0 && chance(0.2) ? `@${pick(tags)}` : ''
    const kind = random()
    if (kind < 0.1) return `!${record.name}`
    if (kind < 0.15) return `!${pick(dependenciesOf(record))}`
    if (kind < 0.3)
      return `${pick(record.provides.map((one) => one.name).concat(record.name))}${tag}`
    if (kind < 0.4) return `${pick(dependenciesOf(record))}${tag}`
    if (kind < 0.6) return `${record.name}${tag}${chance(0.6) ? '=' : '~'}${record.version}`
    if (kind < 0.7) return `${record.name}${tag}${constraint(random)}`
    if (kind < 0.72) return `${record.name}-no-such`
    return `${record.name}${tag}`
  }
  return Array.from({ length: 1 + Math.floor(size * random() ** 2) }, draw)
}

function dependenciesOf({ name, depends }: IndexRecord): readonly string[] {
  return depends.length > 0 ? depends.map((one) => one.name) : [name]
}

function constraint(random: Random): string {
  const { pick, upTo } = dice(random)
  return `${pick(['=', '<', '>', '<=', '>=', '~'])}${upTo(3) + 1}`
}

function dice(random: Random) {
  const upTo = (below: number): number => Math.floor(random() * below)
  return {
    upTo,
    chance: (share: number): boolean => random() < share,
    pick: <T>(list: readonly T[]): T => list[upTo(list.length)]!,
  }
}
