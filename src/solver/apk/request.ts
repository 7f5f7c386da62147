import { parseDependency, type Dependency } from '../../apk/dependency.ts'
import { compareNames } from '../../apk/name-order.ts'
import { PlinthError } from '../../errors.ts'
import { nearest } from '../../nearest.ts'
import type { Graph, Need } from './graph.ts'

/**
 * Parses a request as `apk add` takes it: `name`, `name=1.2-r3`, `name~1.2`, `name@tag`, `!name`. Of several
 * for one name the last counts. Sorted by name, as etc/apk/world is. Throws `PARAM_INVALID`.
 */
export function parseWorld(request: readonly string[]): readonly Dependency[] {
  const world = new Map<string, Dependency>()
  for (const text of request) {
    const dependency = /\s/.test(text) ? undefined : parseDependency(text)
    if (dependency === undefined || dependency.name === '')
      throw new PlinthError(
        'PARAM_INVALID',
        `cannot install '${text}': that is no name of a package`,
        {
          hint: 'write name, name=1.2-r3, name>=1.2, name~1.2 or name@tag, or !name to keep one away',
        },
      )
    world.set(dependency.name, dependency)
  }
  return [...world.values()].toSorted((a, b) => compareNames(a.name, b.name))
}

/**
 * Looks the world's names up. Throws `PACKAGE_NOT_FOUND` for one that nothing has or provides, and
 * `PARAM_INVALID` for a tag that no repository has.
 */
export function findWorld(graph: Graph, world: readonly Dependency[]): readonly Need[] {
  const needs = world.map((dependency) => graph.need(dependency))
  for (const { dependency, name } of needs) {
    const { tag, conflict } = dependency
    if (tag !== undefined && !graph.tagBits.has(tag)) throw unknownTag(graph, name.text, tag)
    if (!conflict && name.providers.length === 0) throw unknownPackage(graph, name.text)
  }
  return needs
}

function unknownTag({ tagBits }: Graph, name: string, tag: string): PlinthError {
  const tags = [...tagBits.keys()].map((one) => `@${one}`)
  return new PlinthError(
    'PARAM_INVALID',
    `cannot install '${name}@${tag}': no repository has the tag '${tag}'`,
    {
      hint: tags.length === 0 ? 'no repository is tagged' : `tags are ${tags.join(', ')}`,
      facts: { name, tag },
    },
  )
}

function unknownPackage(graph: Graph, name: string): PlinthError {
  const known = [...graph.names()].filter((one) => graph.find(one).providers.length > 0)
  const near = nearest(name, known, 5)
  return new PlinthError(
    'PACKAGE_NOT_FOUND',
    `cannot install '${name}': no repository has or provides it`,
    {
      hint:
        near.length === 0
          ? 'check the name and the repositories'
          : `did you mean ${near.join(', ')}?`,
      facts: { name, nearest: near },
    },
  )
}
