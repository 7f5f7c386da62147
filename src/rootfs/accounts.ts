import type { Store } from '../ports.ts'
import { contentReader } from '../store/content.ts'
import { resolveIn, type Tree } from './tree.ts'

/** Who a name or number stands for in a root filesystem. */
export interface Account {
  readonly uid: number
  readonly gid: number
  /** groups it is in besides */
  readonly groups: readonly number[]
  readonly home: string
}

/** The users and groups of a root filesystem (passwd(5), group(5)). */
export interface Accounts {
  /**
   * Whom `user`, `user:group` or numbers stand for; undefined when a name is not there. A number needs no
   * entry: its group is 0 then, and `/` its home.
   */
  find(text: string): Account | undefined
  readonly users: readonly string[]
  readonly groups: readonly string[]
}

/** Reads the accounts of a tree; files that are not there hold none. */
export async function readAccounts(tree: Tree, store: Store): Promise<Accounts> {
  const passwd = await lines(tree, 'etc/passwd', store)
  const group = await lines(tree, 'etc/group', store)
  const users = passwd.map(([name = '', , uid, gid, , home]) => ({
    name,
    uid: Number(uid),
    gid: Number(gid),
    home: home || '/',
  }))
  const groups = group.map(([name = '', , gid, members = '']) => ({
    name,
    gid: Number(gid),
    members: members.split(','),
  }))
  return {
    users: users.map(({ name }) => name),
    groups: groups.map(({ name }) => name),
    find(text) {
      const [userName = '', groupName] = text.split(':', 2)
      const number = numberOf(userName)
      const user =
        users.find(({ name }) => name === userName) ??
        (number === undefined
          ? undefined
          : (users.find(({ uid }) => uid === number) ?? {
              name: '',
              uid: number,
              gid: 0,
              home: '/',
            }))
      if (user === undefined) return undefined
      const found = { uid: user.uid, home: user.home }
      if (groupName !== undefined) {
        const gid = groups.find(({ name }) => name === groupName)?.gid ?? numberOf(groupName)
        return gid === undefined ? undefined : { ...found, gid, groups: [] }
      }
      const others = groups.filter(({ members }) => user.name !== '' && members.includes(user.name))
      return { ...found, gid: user.gid, groups: others.map(({ gid }) => gid) }
    },
  }
}

function numberOf(text: string): number | undefined {
  return /^[0-9]{1,10}$/.test(text) ? Number(text) : undefined
}

async function lines(tree: Tree, path: string, store: Store): Promise<readonly string[][]> {
  const real = resolveIn(tree, path, { last: true })
  const entry = real === undefined ? undefined : tree.get(real)
  const file = entry?.type === 'hardlink' ? tree.get(entry.target) : entry
  if (file?.type !== 'file' || file.size > maxSize) return []
  using contents = contentReader(store)
  const text = Buffer.from(await contents.bytes(file.content, file.size)).toString()
  return text
    .split('\n')
    .filter((line) => line.includes(':'))
    .map((line) => line.split(':'))
}

/** Nobody has so many users; a file of another image could be anything. */
const maxSize = 16 * 1024 * 1024
