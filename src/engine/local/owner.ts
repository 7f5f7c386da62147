import { PlinthError } from '../../errors.ts'
import { nearest } from '../../nearest.ts'
import type { Store } from '../../ports.ts'
import { readAccounts } from '../../rootfs/accounts.ts'
import type { Tree } from '../../rootfs/tree.ts'
import type { Owner } from './place.ts'

/** Whom `--chown` means: names are those of the image; a user alone brings its group, a number itself. */
export async function ownerOf(
  chown: string | undefined,
  tree: Tree | undefined,
  deps: { readonly store: Store },
): Promise<Owner | undefined> {
  if (chown === undefined) return undefined
  const [user = '', group] = chown.split(':', 2)
  if (/^[0-9]+$/.test(user) && (group === undefined || /^[0-9]+$/.test(group))) {
    return { uid: Number(user), gid: Number(group ?? user) }
  }
  const accounts = await readAccounts(tree ?? new Map(), deps.store)
  // an image without users has root all the same
  const isBare = accounts.users.length === 0
  const found = accounts.find(isBare ? chown.replace(/^root(?=:|$)/, '0') : chown)
  if (found !== undefined) {
    const isNumber = group === undefined && /^[0-9]+$/.test(user)
    return { uid: found.uid, gid: isNumber ? found.uid : found.gid }
  }
  throw unknownUser(chown, accounts)
}

/** The error for a user or group that an image does not have. */
export function unknownUser(
  text: string,
  accounts: { readonly users: readonly string[]; readonly groups: readonly string[] },
): PlinthError {
  const [user = '', group] = text.split(':', 2)
  const isUser = !/^[0-9]+$/.test(user) && !accounts.users.includes(user)
  const [what, name, known] = isUser
    ? ['user', user, accounts.users]
    : ['group', group ?? '', accounts.groups]
  const [close] = nearest(name, known)
  return new PlinthError('USER_UNKNOWN', `the image has no ${what} '${name}'`, {
    hint:
      close === undefined
        ? `make it first (RUN ${what === 'user' ? 'useradd' : 'groupadd'} …), or write its number`
        : `did you mean ${close}?`,
  })
}
