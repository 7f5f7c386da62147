import type { Workspace } from '../../ports.ts'
import { resolveIn, type Tree } from '../../rootfs/tree.ts'
import type { ContentReader } from '../../store/content.ts'

/** Which number a name stands for; undefined for one that is not known. */
export interface Accounts {
  user(name: string): number | undefined
  group(name: string): number | undefined
}

/** The accounts of a system by its passwd(5) and group(5), which may be missing. The first of a name counts. */
function readAccounts(passwd: Uint8Array | undefined, group: Uint8Array | undefined): Accounts {
  const users = numbers(passwd, 7)
  const groups = numbers(group, 4)
  return { user: (name) => users.get(name), group: (name) => groups.get(name) }
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
