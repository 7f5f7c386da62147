import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { PlinthError } from '../../errors.ts'

/** Programs of the host the executor cannot do without, and what brings them (Debian, Alpine). */
const packages = {
  sh: ['dash', 'busybox'],
  unshare: ['util-linux', 'util-linux-misc'],
  nsenter: ['util-linux', 'util-linux-misc'],
  setpriv: ['util-linux', 'setpriv'],
  mount: ['mount', 'mount'],
  umount: ['mount', 'umount'],
  pivot_root: ['util-linux', 'util-linux-misc'],
  tar: ['tar', 'tar'],
  find: ['findutils', 'findutils'],
} as const

export type Tool = keyof typeof packages

/** Where the host's programs are, and the environment they run in. */
export interface Tools extends Readonly<Record<Tool, string>> {
  /** both or neither: the setuid helpers that write id maps (shadow's newuidmap(1)) */
  readonly mappers: { readonly uid: string; readonly gid: string } | undefined
  readonly env: Readonly<Record<string, string>>
}

const systemPath: readonly string[] = ['/usr/sbin', '/usr/bin', '/sbin', '/bin']

/**
 * Finds the host's programs in the system's directories, then in `path`. Throws `TOOL_MISSING` naming all
 * that lack.
 */
export async function findTools(path: string, system = systemPath): Promise<Tools> {
  const directories = [...new Set([...system, ...path.split(':').filter((d) => d.startsWith('/'))])]
  const find = async (name: string): Promise<string | undefined> => {
    for (const directory of directories) {
      const file = join(directory, name)
      if (
        await access(file, constants.X_OK).then(
          () => true,
          () => false,
        )
      )
        return file
    }
    return undefined
  }
  const names = Object.keys(packages) as Tool[]
  const found = await Promise.all(names.map(find))
  const missing = names.filter((_, i) => found[i] === undefined)
  if (missing.length > 0) {
    const wanted = (i: 0 | 1) => [...new Set(missing.map((name) => packages[name][i]))].join(' ')
    throw new PlinthError(
      'TOOL_MISSING',
      `cannot run anything here: ${missing.join(', ')} not found`,
      {
        hint: `install them: apt install ${wanted(0)}, or apk add ${wanted(1)}`,
        facts: { missing },
      },
    )
  }
  const [uid, gid] = await Promise.all([find('newuidmap'), find('newgidmap')])
  return {
    ...(Object.fromEntries(names.map((name, i) => [name, found[i]])) as Record<Tool, string>),
    mappers: uid !== undefined && gid !== undefined ? { uid, gid } : undefined,
    // the new mount system calls take no more than 255 bytes for an overlay's layers; older mount(8) ignores it
    env: { PATH: directories.join(':'), LC_ALL: 'C', LIBMOUNT_FORCE_MOUNT2: 'always' },
  }
}
