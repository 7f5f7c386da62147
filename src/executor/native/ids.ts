import { readFile } from 'node:fs/promises'

/** A stretch of ids: `count` ids from `inside` on are those from `outside` on (user_namespaces(7)). */
export interface IdRange {
  readonly inside: number
  readonly outside: number
  readonly count: number
}

/** How the ids of a workspace relate to the host's. */
export interface IdMap {
  /** `none`: no user namespace; `ranges`: many ids; `single`: root inside is the user outside, nobody else exists */
  readonly kind: 'none' | 'ranges' | 'single'
  readonly uids: readonly IdRange[]
  readonly gids: readonly IdRange[]
}

/** Whether `id` exists inside. */
export function isMapped(ranges: readonly IdRange[], id: number): boolean {
  return ranges.some((range) => id >= range.inside && id < range.inside + range.count)
}

/** The map of a running process: /proc/PID/uid_map and gid_map. */
export async function mapOf(process: number | 'self'): Promise<Pick<IdMap, 'uids' | 'gids'>> {
  const [uids, gids] = await Promise.all(
    ['uid_map', 'gid_map'].map(async (file) =>
      parseMap(await readFile(`/proc/${process}/${file}`, 'latin1')),
    ),
  )
  return { uids: uids!, gids: gids! }
}

function parseMap(text: string): IdRange[] {
  return text
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter((fields) => fields.length === 3)
    .map(([inside, outside, count]) => ({ inside: inside!, outside: outside!, count: count! }))
}

/** The ids a user may map: subuid(5) and subgid(5) list them by login name or number. */
export function parseSubordinate(
  text: string,
  owner: { readonly id: number; readonly name?: string | undefined },
): { readonly start: number; readonly count: number }[] {
  return text
    .split('\n')
    .map((line) => line.trim().split(':'))
    .filter(
      ([who, start, count]) =>
        (who === String(owner.id) || (owner.name !== undefined && who === owner.name)) &&
        /^[0-9]+$/.test(start ?? '') &&
        /^[1-9][0-9]*$/.test(count ?? ''),
    )
    .map(([, start, count]) => ({ start: Number(start), count: Number(count) }))
}

/** Root inside is `id` outside, 1 and up are the subordinate ids. */
export function stackRanges(
  id: number,
  subordinate: readonly { readonly start: number; readonly count: number }[],
): IdRange[] {
  const ranges: IdRange[] = [{ inside: 0, outside: id, count: 1 }]
  let inside = 1
  for (const { start, count } of subordinate) {
    ranges.push({ inside, outside: start, count })
    inside += count
  }
  return ranges
}

/** The login name of a user id, from passwd(5). */
export function loginName(passwd: string, uid: number): string | undefined {
  return passwd
    .split('\n')
    .map((line) => line.split(':'))
    .find((fields) => fields[2] === String(uid))?.[0]
}
