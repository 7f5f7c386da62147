import { readFile } from 'node:fs/promises'

const managers = ['apt', 'apk', 'dnf', 'pacman', 'zypper'] as const
type Manager = (typeof managers)[number]

/** What installs a package, by what /etc/os-release calls the system or says it is like (os-release(5)). */
const systems: Readonly<Record<string, Manager>> = {
  debian: 'apt',
  ubuntu: 'apt',
  alpine: 'apk',
  wolfi: 'apk',
  fedora: 'dnf',
  rhel: 'dnf',
  centos: 'dnf',
  arch: 'pacman',
  suse: 'zypper',
  opensuse: 'zypper',
}

const commands: Readonly<Record<Manager, string>> = {
  apt: 'apt install',
  apk: 'apk add',
  dnf: 'dnf install',
  pacman: 'pacman -S',
  zypper: 'zypper install',
}

/** What brings a thing, where it is not called the same everywhere. */
const packages = {
  newuidmap: {
    apt: 'uidmap',
    apk: 'shadow-subids',
    dnf: 'shadow-utils',
    pacman: 'shadow',
    zypper: 'shadow',
  },
  'util-linux': { apk: 'util-linux-misc setpriv mount umount' },
  tar: {},
  findutils: {},
  git: {},
  qemu: {
    apt: 'qemu-user-static binfmt-support',
    apk: 'qemu-openrc',
    dnf: 'qemu-user-static',
    pacman: 'qemu-user-static-binfmt',
    zypper: 'qemu-linux-user',
  },
} as const satisfies Readonly<Record<string, Partial<Record<Manager, string>>>>

export type Installable = keyof typeof packages

/** How to install something here; where the system is not known, with every package manager's words. */
export async function installHint(...things: readonly Installable[]): Promise<string> {
  const manager = managerOf(await readFile('/etc/os-release', 'utf8').catch(() => ''))
  const wanted = (one: Manager): string =>
    `${commands[one]} ${things.map((thing) => nameOf(thing, one)).join(' ')}`
  return manager === undefined ? managers.map(wanted).join(', or ') : wanted(manager)
}

function nameOf(thing: Installable, manager: Manager): string {
  const names: Partial<Record<Manager, string>> = packages[thing]
  return names[manager] ?? thing
}

/** The package manager of a system, from the text of its os-release. */
export function managerOf(osRelease: string): Manager | undefined {
  const field = (name: string): string =>
    new RegExp(`^${name}=["']?([^"'\\n]*)`, 'm').exec(osRelease)?.[1] ?? ''
  const words = [field('ID'), ...field('ID_LIKE').split(' ')]
  return words.map((word) => systems[word.split('-')[0]!]).find((found) => found !== undefined)
}
