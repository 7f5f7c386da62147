import type { PackagedFile } from '../../apk/data-files.ts'
import { inHashOrder } from '../../apk/directory-order.ts'
import { triggeredBy } from '../../apk/triggers.ts'
import type { Entry } from '../../entry.ts'
import type { Emit } from '../../events.ts'
import type { Workspace } from '../../ports.ts'
import { applyChanges, sortedEntries, withOrderedLinks, type Tree } from '../../rootfs/tree.ts'
import { accountsIn, accountsOf, Owners, type Accounts } from './accounts.ts'
import { ApkAssembly, isProtected } from './assemble.ts'
import { cleanUp, withFixedDays } from './cleanup.ts'
import { hasScript, isHook, scriptDirectory, scriptEntries, Scripts } from './configure.ts'
import { realPath } from './directories.ts'
import type { InstallWork, OpenedApk } from './opened.ts'
import { withReferences } from './references.ts'
import { databaseOf, skeletonOf } from './skeleton.ts'
import type { WorkspaceAhead } from './workspace-ahead.ts'

interface LiveDeps {
  /** to be opened on what is there when the first script runs; whoever made it closes it */
  readonly workspace: WorkspaceAhead
  readonly emit: Emit
  readonly onPackage: (name: string) => void
  readonly onLine: (stream: 'stdout' | 'stderr', line: string) => void
}

/**
 * Installs packages and runs their scripts, each when apk would: before a package's files are there, after, and
 * triggers when everything is. Errors: those of `installApks`.
 */
export async function installLive(work: InstallWork, deps: LiveDeps): Promise<Tree> {
  const live = new LiveInstall(work, deps)
  for (const [number, { part }] of work.packages.entries()) {
    deps.onPackage(part.name)
    await live.install(number)
  }
  await live.trigger()
  return live.finish()
}

/** A workspace and what it was opened on. */
interface LiveSystem {
  readonly workspace: Workspace
  readonly base: Tree
}

class LiveInstall {
  readonly #work: InstallWork
  readonly #deps: LiveDeps
  readonly #assembly: ApkAssembly
  readonly #scripts: Scripts
  readonly #owners = new Owners()
  /** what there was of what the next packages bring, while no script ran since */
  #present: ReadonlySet<string> | undefined
  /** opened with the first script; what was installed until then is its base */
  #open: LiveSystem | undefined
  /** what was installed since, and is not in the workspace yet */
  #pending: Entry[] = []
  /** as scripts left them, while none ran since */
  #accounts: Accounts | undefined

  constructor(work: InstallWork, deps: LiveDeps) {
    const { system, packages } = work
    this.#work = work
    this.#deps = deps
    this.#assembly = new ApkAssembly(skeletonOf(system, packages), { mtime: system.epoch })
    this.#scripts = new Scripts({ epoch: system.epoch, onLine: deps.onLine })
  }

  /** Installs the package of this number. */
  async install(number: number): Promise<void> {
    const one = this.#work.packages[number]!
    let files = one.files
    if (hasScript(one, 'pre-install')) {
      // apk has read the first file's header when it runs the script
      const first = await this.#owned(files.slice(0, 1))
      await this.#run(one, 'pre-install')
      files = [...first, ...(await this.#owned(files.slice(1)))]
    } else {
      files = await this.#owned(files)
    }
    await this.#observe(number)
    this.#pending.push(...this.#assembly.add(one.part, files))
    if (files.some(({ entry }) => isAccountFile(entry.path))) this.#accounts = undefined
    if (hasScript(one, 'post-install')) await this.#run(one, 'post-install')
  }

  /** What comes when all packages are there: directories as they all want them, then triggers. */
  async trigger(): Promise<void> {
    const settled = this.#assembly.settleDirectories()
    if (this.#open) {
      // scripts may have removed some; whatever else they did to them, apk undoes
      const there = await this.#open.workspace.present(settled.map(({ path }) => path))
      const left = new Set(there)
      this.#pending.push(...settled.filter(({ path }) => left.has(path)))
    }
    const directories = inHashOrder(this.#assembly.directories).map((path) => `/${path}`)
    for (const one of this.#work.packages) {
      if (!hasScript(one, 'trigger')) continue
      const touched = triggeredBy(one.triggers, directories)
      if (touched.length > 0) await this.#run(one, 'trigger', touched)
    }
  }

  /** The tree as everything left it. */
  async finish(): Promise<Tree> {
    const { system, packages, contents } = this.#work
    const assembled = this.#assembly.tree
    const database = databaseOf(system, packages, this.#assembly)
    const hooks = [...assembled.keys()].filter(isHook).toSorted()
    if (hooks.length > 0) await this.#hooks(hooks, database)
    await this.#flush()
    let tree = new Map(assembled)
    if (this.#open) {
      const { workspace, base } = this.#open
      const changes = await withReferences(await workspace.changes(), assembled, contents)
      tree = new Map(applyChanges(base, changes))
    }
    if (hooks.length === 0) for (const entry of database) tree.set(entry.path, entry)
    await this.#fixDays(tree)
    return cleanUp(tree, this.#assembly)
  }

  async #run(
    one: OpenedApk,
    type: 'pre-install' | 'post-install' | 'trigger',
    directories?: readonly string[],
  ): Promise<void> {
    const { epoch } = this.#work.system
    if (!this.#open) {
      const directory = scriptDirectory(this.#assembly.tree, epoch)
      if (directory) this.#assembly.observe(directory)
      const scripts = scriptEntries(this.#work.packages, this.#assembly.tree, epoch)
      this.#open = await this.#opened(scripts)
    }
    await this.#flush()
    await this.#scripts.run(one, type, this.#open.workspace, directories)
    this.#accounts = undefined
    this.#owners.forget()
    this.#present = undefined
  }

  /** Hooks find the database written. apk only reports what they ended with. */
  async #hooks(paths: readonly string[], database: readonly Entry[]): Promise<void> {
    const { workspace } = (this.#open ??= await this.#opened([]))
    this.#pending.push(...database)
    await this.#flush()
    for (const path of paths) {
      const code = await this.#scripts.hook(path, workspace)
      if (code === 0) continue
      this.#deps.emit({
        type: 'warning',
        code: 'HOOK_FAILED',
        message: `the commit hook /${path} failed (exit code ${code})`,
      })
    }
  }

  /** A workspace on what is installed until now, and `more` that only exists meanwhile. */
  async #opened(more: readonly Entry[]): Promise<LiveSystem> {
    // all of it is in the base
    this.#pending = []
    const base = new Map(withOrderedLinks(this.#assembly.tree))
    for (const entry of more) base.set(entry.path, entry)
    const workspace = await this.#deps.workspace.on(sortedEntries(base))
    return { workspace, base }
  }

  async #flush(): Promise<void> {
    if (!this.#open || this.#pending.length === 0) return
    const entries = this.#pending
    this.#pending = []
    await this.#open.workspace.write(entries)
  }

  /** Looks what scripts made of the directories and protected paths that a package brings. */
  async #observe(number: number): Promise<void> {
    if (!this.#open) return
    const { tree } = this.#assembly
    const { workspace } = this.#open
    this.#present ??= await this.#look(number, workspace)
    const made = { uid: 0, gid: 0, mtime: this.#work.system.epoch } as const
    for (const { entry } of this.#work.packages[number]!.files) {
      if (!this.#present.has(entry.path)) continue
      const path = realPath(tree, entry.path) ?? entry.path
      const known = tree.get(path)
      // what waits to be written is newer than what is there
      if (this.#pending.some((one) => one.path === path)) continue
      if (entry.type === 'directory') {
        if (known === undefined)
          this.#assembly.observe({ type: 'directory', path, mode: 0o755, ...made })
        continue
      }
      const bytes = await workspace.read(path)
      if (bytes === undefined) {
        // a directory, or something that no package would have there
        if (known === undefined)
          this.#assembly.observe({ type: 'symlink', path, mode: 0o777, target: '', ...made })
      } else if (known === undefined || !(await this.#isSame(known, bytes))) {
        const content = { kind: 'bytes', bytes } as const
        const size = bytes.length
        this.#assembly.observe({ type: 'file', path, mode: 0o644, size, content, ...made })
      }
    }
  }

  /**
   * What there is of what this and the following packages bring, up to the next script: until then nothing
   * changes but by plinth's own doing, and asking takes longer than the answer.
   */
  async #look(number: number, workspace: Workspace): Promise<ReadonlySet<string>> {
    const wanted = new Set<string>()
    const { packages } = this.#work
    for (const [at, one] of packages.entries()) {
      if (at < number) continue
      if (at > number && hasScript(one, 'pre-install')) break
      for (const { entry } of one.files) {
        const relevant = entry.type === 'directory' || isProtected(entry.path)
        // where another package has a file, that is the same, or it was changed by a script
        if (relevant && !(entry.type === 'directory' && this.#assembly.tree.has(entry.path)))
          wanted.add(entry.path)
      }
      if (hasScript(one, 'post-install')) break
    }
    const paths = [...wanted]
    const found = new Set<string>()
    for (let at = 0; at < paths.length; at += pathsAtOnce)
      for (const path of await workspace.present(paths.slice(at, at + pathsAtOnce))) found.add(path)
    return found
  }

  async #isSame(known: Entry, bytes: Uint8Array): Promise<boolean> {
    if (known.type === 'symlink') return true
    const file = known.type === 'hardlink' ? this.#assembly.tree.get(known.target) : known
    if (file?.type !== 'file' || file.size !== bytes.length) return false
    const before = await this.#work.contents.bytes(file.content, file.size)
    return Buffer.compare(before, bytes) === 0
  }

  /** Files with their owners, as the accounts are now. */
  async #owned(files: readonly PackagedFile[]): Promise<readonly PackagedFile[]> {
    const { contents } = this.#work
    const open = this.#open
    if (!open)
      return this.#owners.resolve(files, async () => accountsOf(this.#assembly.tree, contents))
    const look = async (): Promise<Accounts> => {
      if (this.#accounts) return this.#accounts
      await this.#flush()
      return (this.#accounts = await accountsIn(open.workspace))
    }
    // most packages are root's altogether, and looking takes time
    return this.#owners.resolve(files, look, { root: 'known' })
  }

  /** Accounts that scripts made say on which day: that of the image instead. */
  async #fixDays(tree: Map<string, Entry>): Promise<void> {
    const path = 'etc/shadow'
    const text = async (entry: Entry | undefined) =>
      entry?.type === 'file'
        ? Buffer.from(await this.#work.contents.bytes(entry.content, entry.size)).toString('latin1')
        : ''
    const after = tree.get(path)
    if (after?.type !== 'file') return
    const before = await text(this.#assembly.tree.get(path))
    const now = await text(after)
    const fixed = withFixedDays(before, now, this.#work.system.epoch)
    if (fixed === now) return
    const bytes = Buffer.from(fixed, 'latin1')
    tree.set(path, { ...after, size: bytes.length, content: { kind: 'bytes', bytes } })
  }
}

/** How many are asked for at once: they have to fit a command line. */
const pathsAtOnce = 5000

function isAccountFile(path: string): boolean {
  return path === 'etc/passwd' || path === 'etc/group'
}
