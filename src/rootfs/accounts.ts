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
   * Whom an image's `User` stands for, as Docker takes it: `name`, `uid`, `name:group`, `uid:gid`, in any mix; a
   * name comes before a number, and empty is root. What passwd has brings its group, its home and the groups that
   * list it; a number it does not have is taken as it is, with group 0 and home `/`. Naming a group leaves the
   * others out. Undefined for a name that is not there and for a number no system has.
   */
  find(text: string): Account | undefined
  readonly users: readonly string[]
  readonly groups: readonly string[]
}

/**
 * As whom a process of an account runs: engines list its own group among the others, too, so that files which
 * deny that group deny it (CVE-2022-2989).
 */
export function processUser(account: Account): Omit<Account, 'home'> {
  const { uid, gid, groups } = account
  return { uid, gid, groups: [...new Set([gid, ...groups])] }
}

/** Reads the accounts of a tree; files that are not there hold none. */
export async function readAccounts(tree: Tree, store: Store): Promise<Accounts> {
  return accountsOf(
    await readText(tree, 'etc/passwd', store),
    await readText(tree, 'etc/group', store),
  )
}

/** The accounts in the texts of `/etc/passwd` and `/etc/group`. */
export function accountsOf(passwd: string, group: string): Accounts {
  const users = linesOf(passwd).map(([name = '', , uid, gid, , home]) => ({
    name,
    uid: numberOf(uid),
    gid: numberOf(gid) ?? 0,
    home: home || '/',
  }))
  const groups = linesOf(group).map(([name = '', , gid, members = '']) => ({
    name,
    gid: numberOf(gid),
    members: members.split(','),
  }))
  return {
    users: users.map(({ name }) => name),
    groups: groups.map(({ name }) => name),
    find(text) {
      const colon = text.indexOf(':')
      const who = (colon < 0 ? text : text.slice(0, colon)) || '0'
      const wanted = colon < 0 ? '' : text.slice(colon + 1)
      const number = numberOf(who)
      const user =
        users.find(({ name }) => name === who) ??
        (number === undefined ? undefined : users.find(({ uid }) => uid === number))
      const uid = user === undefined ? number : user.uid
      if (uid === undefined) return undefined
      const home = user?.home ?? '/'
      if (wanted !== '') {
        const named = groups.find(({ name }) => name === wanted)
        const gid = named === undefined ? numberOf(wanted) : named.gid
        return gid === undefined ? undefined : { uid, gid, groups: [], home }
      }
      const listed = groups.filter(({ members }) => user && members.includes(user.name))
      const others = listed.flatMap(({ gid }) => (gid === undefined ? [] : [gid]))
      return { uid, gid: user?.gid ?? 0, groups: [...new Set(others)], home }
    },
  }
}

/** The largest id Docker takes: 2^31 - 1. */
const largest = 0x7fff_ffff

function numberOf(text: string | undefined): number | undefined {
  const isNumber = text !== undefined && /^[0-9]+$/.test(text) && Number(text) <= largest
  return isNumber ? Number(text) : undefined
}

function linesOf(text: string): readonly string[][] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => !line.startsWith('#') && line.includes(':'))
    .map((line) => line.split(':'))
}

async function readText(tree: Tree, path: string, store: Store): Promise<string> {
  const real = resolveIn(tree, path, { last: true })
  const entry = real === undefined ? undefined : tree.get(real)
  const file = entry?.type === 'hardlink' ? tree.get(entry.target) : entry
  if (file?.type !== 'file' || file.size > maxSize) return ''
  using contents = contentReader(store)
  return Buffer.from(await contents.bytes(file.content, file.size)).toString()
}

/** Nobody has so many users; a file of another image could be anything. */
const maxSize = 16 * 1024 * 1024
