import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { PlinthError } from '../../errors.ts'
import type { Add } from '../../instruction.ts'
import { processOwner } from '../../store/owner.ts'
import { openContext } from './context.ts'
import { contextFiles } from './context-files.ts'
import type { Part } from './part.ts'
import type { StepDeps } from './deps.ts'
import { filesOf } from './listing.ts'
import { selectFiles } from './select.ts'

const execute = promisify(execFile)

/**
 * A repository of git as the source of an ADD, checked out by git(1): `URL#ref:directory`. Only its commit is
 * part of the key. Throws `TOOL_MISSING` without git, `UNREACHABLE` with what git said, `DIGEST_MISMATCH` when
 * it is not the commit that `--checksum` names.
 */
export async function gitPart(source: string, add: Add, deps: StepDeps): Promise<Part> {
  const [url = '', fragment = ''] = source.split('#', 2)
  const [ref = '', directory = ''] = fragment.split(':', 2)
  const commit = await commitOf(url, ref, deps)
  if (add.checksum !== undefined && !commit.startsWith(add.checksum)) {
    throw new PlinthError(
      'DIGEST_MISMATCH',
      `cannot use ${source}: expected commit ${add.checksum}, got ${commit}`,
      { hint: 'the reference moved: look at what changed, and write its new commit' },
    )
  }
  let checkedOut: ReturnType<typeof checkOut> | undefined
  return {
    key: ['git', url, commit, directory, add.keepGitDir ?? false],
    selections: async () => (checkedOut ??= checkOut(url, ref, commit, directory, add, deps)),
  }
}

async function checkOut(
  url: string,
  ref: string,
  commit: string,
  directory: string,
  add: Add,
  deps: StepDeps,
) {
  const { store, signal } = deps
  const place = await mkdtemp(join(await store.directory('tmp'), `${processOwner()}.git`))
  try {
    await git(['init', '--quiet', place], deps)
    const inside = (...args: readonly string[]) => git(['-C', place, ...args], deps)
    await inside('remote', 'add', 'origin', url)
    // not every server gives out a commit by its own name
    await inside('fetch', '--quiet', '--depth=1', 'origin', commit).catch(async () =>
      inside('fetch', '--quiet', 'origin', ref === '' ? 'HEAD' : ref),
    )
    await inside('-c', 'core.autocrlf=false', 'checkout', '--quiet', '--detach', commit)
    await inside('submodule', 'update', '--quiet', '--init', '--recursive', '--depth=1')
    if (!add.keepGitDir) await rm(join(place, '.git'), { recursive: true, force: true })
    const context = openContext(join(place, directory))
    const files = contextFiles(context, { store, signal, now: deps.retry.now })
    const selections = selectFiles(['/'], context, { exclude: add.exclude })
    await files.digests(filesOf(selections))
    // the checkout goes away: its contents stay in the store
    const contents = await files.stored(filesOf(selections))
    return selections.map((selection) => ({
      ...selection,
      // as in Docker a repository is copied as the directory it is: one that is made for it gets --chmod, too
      mode: 0o755,
      entries: selection.entries.map(({ below, entry }) => ({
        below,
        entry: entry.type === 'file' ? { ...entry, content: contents.get(entry.path)! } : entry,
      })),
    }))
  } finally {
    await rm(place, { recursive: true, force: true })
  }
}

/** The commit that a reference of a repository stands for now. */
async function commitOf(url: string, ref: string, deps: StepDeps): Promise<string> {
  if (/^[0-9a-f]{40}$/.test(ref)) return ref
  const wanted = ref === '' ? 'HEAD' : ref
  const listed = await git(['ls-remote', url, wanted, `${wanted}^{}`], deps)
  const lines = listed.split('\n').flatMap((line) => {
    const [commit, name] = line.split('\t')
    return commit && name ? [{ commit, name }] : []
  })
  // of an annotated tag the commit is wanted
  const found = lines.find(({ name }) => name.endsWith('^{}')) ?? lines[0]
  if (found !== undefined) return found.commit
  throw new PlinthError('UNREACHABLE', `cannot use ${url}: it has no reference '${wanted}'`, {
    hint: 'write a branch, a tag or a whole commit after #',
  })
}

async function git(args: readonly string[], { signal }: StepDeps): Promise<string> {
  try {
    const options = ['-c', 'protocol.file.allow=user', '-c', 'advice.detachedHead=false']
    // nobody is there to type a password
    const command = ['GIT_TERMINAL_PROMPT=0', 'git', ...options, ...args]
    const { stdout } = await execute('env', command, { signal, maxBuffer: 64 * 1024 * 1024 })
    return stdout
  } catch (cause) {
    signal.throwIfAborted()
    const { code, stderr = '' } = cause as { code?: unknown; stderr?: string }
    if (code === 'ENOENT' || code === 127) {
      throw new PlinthError('TOOL_MISSING', 'cannot add a git repository: git is not installed', {
        hint: 'install git, or add an archive by its URL',
      })
    }
    throw new PlinthError('UNREACHABLE', `cannot get the git repository: ${stderr.trim()}`, {
      cause,
      hint: 'check the address, the reference and the network',
    })
  }
}
