import type { PackagedFile } from '../../apk/data-files.ts'
import type { Workspace } from '../../ports.ts'
import { resolveIn, type Tree } from '../../rootfs/tree.ts'
import type { ContentReader } from '../../store/content.ts'

/** Numbers by name. */
export interface Accounts {
  readonly users: ReadonlyMap<string, number>
  readonly groups: ReadonlyMap<string, number>
}

/**
 * Which numbers names stand for, as apk finds it out: it looks when a name first comes up, and remembers the
 * answer, also that there is none, until a script ran.
 */
export class Owners {
  readonly #users = new Map<string, number | undefined>()
  readonly #groups = new Map<string, number | undefined>()

  /** A script ran: what it made of the accounts counts from now on. */
  forget(): void {
    this.#users.clear()
    this.#groups.clear()
  }

  /**
   * Files with the owners their names stand for, or else with the numbers they have. With `root: 'known'` nobody
   * looks for what is root's by name and number.
   */
  async resolve(
    files: readonly PackagedFile[],
    look: () => Promise<Accounts>,
    options: { readonly root?: 'known' | undefined } = {},
  ): Promise<readonly PackagedFile[]> {
    const isKnown = (file: PackagedFile) =>
      (options.root === 'known' && isRoots(file)) ||
      (this.#users.has(file.user) && this.#groups.has(file.group))
    if (!files.every(isKnown)) {
      const { users, groups } = await look()
      for (const { user, group } of files) {
        if (!this.#users.has(user)) this.#users.set(user, users.get(user))
        if (!this.#groups.has(group)) this.#groups.set(group, groups.get(group))
      }
    }
    return files.map((file) => {
      const { entry, user, group } = file
      const uid = this.#users.get(user) ?? entry.uid
      const gid = this.#groups.get(group) ?? entry.gid
      return { ...file, entry: { ...entry, uid, gid } }
    })
  }
}

function isRoots({ entry, user, group }: PackagedFile): boolean {
  const isRoot = (name: string, id: number) => name === '' || (name === 'root' && id === 0)
  return isRoot(user, entry.uid) && isRoot(group, entry.gid)
}

/** The accounts of a system by its passwd(5) and group(5), which may be missing. The first of a name counts. */
function readAccounts(passwd: Uint8Array | undefined, group: Uint8Array | undefined): Accounts {
  return { users: numbers(passwd, 7), groups: numbers(group, 4) }
}

/** `name:password:number:…`; a line that is not so says nothing. */
function numbers(file: Uint8Array | undefined, fields: number): Map<string, number> {
  const found = new Map<string, number>()
  for (const line of Buffer.from(file ?? [])
    .toString()
    .split('\n')) {
    const [name, , number, ...more] = line.split(':')
    if (more.length !== fields - 3 || !/^\d+$/.test(number!) || found.has(name!)) continue
    found.set(name!, Number(number))
  }
  return found
}

const files = ['etc/passwd', 'etc/group'] as const

/** The accounts of a tree. */
export async function accountsOf(tree: Tree, contents: ContentReader): Promise<Accounts> {
  const [passwd, group] = await Promise.all(
    files.map(async (path) => {
      const entry = tree.get(resolveIn(tree, path, { last: true }) ?? path)
      const file = entry?.type === 'hardlink' ? tree.get(entry.target) : entry
      return file?.type === 'file' ? contents.bytes(file.content, file.size) : undefined
    }),
  )
  return readAccounts(passwd, group)
}

/** The accounts there are in a workspace now. */
export async function accountsIn(workspace: Workspace): Promise<Accounts> {
  const [passwd, group] = await Promise.all(files.map(async (path) => workspace.read(path)))
  return readAccounts(passwd, group)
}
