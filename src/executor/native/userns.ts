import { spawn, type ChildProcess } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import type { Emit } from '../../events.ts'
import { namespaceError } from './diagnose.ts'
import { loginName, mapOf, parseSubordinate, stackRanges, type IdMap, type IdRange } from './ids.ts'
import { lineSource } from '../lines.ts'
import { closed, runTool, tailOf } from './process.ts'
import { processStatus } from './status.ts'
import type { Tools } from './tools.ts'

/** What `openIdentity` needs to know of who asks. */
export interface IdentityDeps {
  readonly tools: Tools
  readonly uid: number
  readonly emit: Emit
}

/** Who a workspace's processes are outside of it, and the words that start its supervisor so. */
export interface Identity {
  readonly ids: IdMap
  /** put before `unshare --mount …` */
  readonly prefix: readonly string[]
  /** options for that `unshare` */
  readonly options: readonly string[]
  /** Ends what held the user namespace open; to be called when the supervisor runs. */
  release(): void
}

/**
 * Decides how ids are mapped and makes the user namespace for it: root needs none; a user gets the
 * subordinate ids that subuid(5) and subgid(5) give him, written by newuidmap(1); without those one id is
 * left, with a warning. Throws `NAMESPACE_UNAVAILABLE` with the cause.
 *
 * The namespace is made by a process that then waits: what enters before the map is written would lose
 * its capabilities at the next exec (user_namespaces(7)).
 */
export async function openIdentity(deps: IdentityDeps): Promise<Identity> {
  const status = await processStatus()
  if (deps.uid === 0 && status.sysAdmin) {
    return {
      ids: { kind: 'none', ...(await mapOf('self')) },
      prefix: [],
      options: [],
      release() {},
    }
  }
  const ranges = await plannedRanges(deps, status.gid)
  if ('why' in ranges) return singleIdentity(deps, status.gid, ranges.why)

  const waiter = spawn(
    deps.tools.unshare,
    ['--user', '--', deps.tools.sh, '-c', 'echo; read -r _ || :'],
    { env: { ...deps.tools.env }, cwd: '/', detached: true, stdio: ['pipe', 'pipe', 'pipe'] },
  )
  const end = closed(waiter)
  const said = tailOf(waiter.stderr)
  waiter.stdin.on('error', () => {})
  if ((await lineSource(waiter.stdout).next()) === undefined) {
    await end
    throw await namespaceError('make a user namespace', said())
  }
  const failure = await writeMaps(waiter, ranges, deps)
  if (failure !== undefined) {
    waiter.stdin.end()
    await end
    return singleIdentity(deps, status.gid, failure)
  }
  return {
    ids: { kind: 'ranges', ...ranges },
    prefix: [deps.tools.nsenter, '--user', '--target', String(waiter.pid), '--'],
    options: [],
    release: () => waiter.stdin.end(),
  }
}

type Ranges = Pick<IdMap, 'uids' | 'gids'>

/** The ranges this user may map, or why there are none. */
async function plannedRanges(
  { uid, tools }: IdentityDeps,
  gid: number,
): Promise<Ranges | { readonly why: string }> {
  if (uid === 0) {
    // root without CAP_SYS_ADMIN, in a container: every id it has, under the same number
    const { uids, gids } = await mapOf('self')
    return { uids: sameNumbers(uids), gids: sameNumbers(gids) }
  }
  const [passwd, subuid, subgid] = await Promise.all(
    ['/etc/passwd', '/etc/subuid', '/etc/subgid'].map((file) =>
      readFile(file, 'utf8').catch(() => ''),
    ),
  )
  const owner = { id: uid, name: loginName(passwd!, uid) }
  const who = owner.name ?? String(uid)
  const uids = parseSubordinate(subuid!, owner)
  const gids = parseSubordinate(subgid!, owner)
  if (uids.length === 0) return { why: `/etc/subuid has no line for ${who}` }
  if (gids.length === 0) return { why: `/etc/subgid has no line for ${who}` }
  if (!tools.mappers) return { why: 'newuidmap and newgidmap are not installed' }
  return { uids: stackRanges(uid, uids), gids: stackRanges(gid, gids) }
}

/** Writes both maps of a waiting process; returns why that failed. */
async function writeMaps(
  waiter: ChildProcess,
  { uids, gids }: Ranges,
  { uid, tools }: IdentityDeps,
): Promise<string | undefined> {
  const pid = String(waiter.pid)
  if (uid === 0) {
    try {
      await writeFile(`/proc/${pid}/uid_map`, mapText(uids))
      await writeFile(`/proc/${pid}/gid_map`, mapText(gids))
      return undefined
    } catch (error) {
      return `the id map cannot be written: ${(error as Error).message}`
    }
  }
  const { uid: newuidmap, gid: newgidmap } = tools.mappers!
  for (const argv of [
    [newuidmap, pid, ...mapArguments(uids)],
    [newgidmap, pid, ...mapArguments(gids)],
  ]) {
    const { code, stderr } = await runTool(argv, { env: tools.env })
    if (code !== 0) return stderr || `${argv[0]} failed`
  }
  return undefined
}

function sameNumbers(ranges: readonly IdRange[]): IdRange[] {
  return ranges.map((range) => ({ ...range, outside: range.inside }))
}

function mapText(ranges: readonly IdRange[]): string {
  return ranges.map((r) => `${r.inside} ${r.outside} ${r.count}\n`).join('')
}

function mapArguments(ranges: readonly IdRange[]): string[] {
  return ranges.flatMap((r) => [String(r.inside), String(r.outside), String(r.count)])
}

function singleIdentity({ uid, emit }: IdentityDeps, gid: number, why: string): Identity {
  emit({
    type: 'warning',
    code: 'SUBIDS_MISSING',
    message: `only one user id can be used inside: ${why}`,
    hint: subidsHint,
  })
  return {
    ids: {
      kind: 'single',
      uids: [{ inside: 0, outside: uid, count: 1 }],
      gids: [{ inside: 0, outside: gid, count: 1 }],
    },
    prefix: [],
    options: ['--user', '--map-root-user'],
    release() {},
  }
}

/** What brings subordinate ids. */
export const subidsHint =
  'install newuidmap (Debian: uidmap, Alpine: shadow-subids) and give yourself ids: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 "$USER"'
