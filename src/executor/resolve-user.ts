import { PlinthError } from '../errors.ts'

/** Who a process runs as. */
export interface ResolvedUser {
  readonly uid: number
  readonly gid: number
  /** supplementary groups */
  readonly groups: readonly number[]
  /** the home directory: what `HOME` is where nothing else says */
  readonly home: string
}

/**
 * The ids that an image's `User` means, as Docker takes them: `name`, `uid`, `name:group`, `uid:gid`, in any
 * mix, looked up in the text of the image's `/etc/passwd` and `/etc/group` (passwd(5), group(5)). A name or
 * number that passwd has brings its group, its home and the groups that list it; a number it does not have is
 * taken as it is, with group 0. Naming a group leaves the supplementary ones out. Empty is root.
 *
 * Throws `RUN_FAILED` for a name the image does not have, and for a number no system has.
 */
export function resolveUser(user: string, passwd: string, group: string): ResolvedUser {
  const colon = user.indexOf(':')
  const who = (colon < 0 ? user : user.slice(0, colon)) || '0'
  const wanted = colon < 0 ? '' : user.slice(colon + 1)
  const accounts = linesOf(passwd, 7).map(([name, , uid, gid, , home]) => ({
    name: name!,
    uid: numberIn(uid!),
    gid: numberIn(gid!),
    home: home!,
  }))
  const number = numberIn(who)
  const account =
    accounts.find(({ name }) => name === who) ??
    (number === undefined ? undefined : accounts.find(({ uid }) => uid === number))
  const uid = account === undefined ? number : account.uid
  if (uid === undefined) {
    throw unknown('user', who, '/etc/passwd', accounts)
  }
  const groups = linesOf(group, 4).map(([name, , gid, members]) => ({
    name: name!,
    gid: numberIn(gid!),
    members: members!.split(','),
  }))
  const home = account?.home || '/'
  if (wanted !== '') {
    const found = groups.find(({ name }) => name === wanted)
    const gid = found === undefined ? numberIn(wanted) : found.gid
    if (gid === undefined) throw unknown('group', wanted, '/etc/group', groups)
    return { uid, gid, groups: [], home }
  }
  if (account === undefined) return { uid, gid: 0, groups: [], home }
  const listed = groups.filter(({ members }) => members.includes(account.name))
  return {
    uid,
    gid: account.gid ?? 0,
    groups: [...new Set(listed.flatMap(({ gid }) => (gid === undefined ? [] : [gid])))],
    home,
  }
}

/** Lines of at least a few of `count` fields; the rest are empty. */
function linesOf(text: string, count: number): string[][] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#') && line.includes(':'))
    .map((line) => {
      const fields = line.split(':')
      return [...fields, ...Array.from({ length: Math.max(0, count - fields.length) }, () => '')]
    })
}

/** The largest id Docker takes: 2^31 - 1. */
const largest = 0x7fff_ffff

function numberIn(text: string): number | undefined {
  return /^[0-9]+$/.test(text) && Number(text) <= largest ? Number(text) : undefined
}

function unknown(
  what: 'user' | 'group',
  name: string,
  file: string,
  known: readonly { readonly name: string }[],
): PlinthError {
  const names = known.map((one) => one.name)
  return new PlinthError(
    'RUN_FAILED',
    `cannot run as ${what} '${name}': ${file} has no such ${what}`,
    {
      hint:
        names.length === 0
          ? `the image has no ${file}: use a number`
          : `use a number up to ${largest}, add the ${what} first, or one of: ${names.slice(0, 20).join(', ')}`,
      facts: { [what]: name },
    },
  )
}
