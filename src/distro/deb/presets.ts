import { readFile } from 'node:fs/promises'
import type { Keyring } from '../../deb/openpgp.ts'
import type { DebSource } from '../../deb/sources.ts'
import { bundledKey } from '../bundled-key.ts'

/** What to take from a distribution's archive. */
export interface PresetRequest {
  /** a suite or codename: `trixie`, `stable`, `noble` */
  readonly suite: string
  readonly architecture: string
  /** instead of the distribution's own mirrors; several are tried in order */
  readonly mirrors?: readonly string[] | undefined
  /** instead of the distribution's own security mirror, which stays even when `mirrors` is given */
  readonly securityMirrors?: readonly string[] | undefined
  readonly components?: readonly string[] | undefined
  /** default: whether the suite is a release that gets them */
  readonly updates?: boolean | undefined
  readonly security?: boolean | undefined
}

const debianMirror = 'http://deb.debian.org/debian'
const debianSecurityMirror = 'http://deb.debian.org/debian-security'
const ubuntuMirror = 'http://archive.ubuntu.com/ubuntu'
const ubuntuSecurityMirror = 'http://security.ubuntu.com/ubuntu'
/** everything but amd64 and i386, security included */
const ubuntuPortsMirror = 'http://ports.ubuntu.com/ubuntu-ports'

/** Suites that are nobody's release: no updates, no security. */
const rolling = new Set(['sid', 'unstable', 'experimental', 'rc-buggy'])

/** Debian suites that can be asked for by name, newest last; others work too when the mirror has them. */
export const debianSuites: readonly string[] = ['bookworm', 'trixie', 'forky', 'sid']
/** Ubuntu suites likewise. */
export const ubuntuSuites: readonly string[] = ['jammy', 'noble', 'questing', 'resolute']

/** The sources of a Debian image: the suite, and its updates and security suites where it has them. */
export async function debianSources(request: PresetRequest): Promise<readonly DebSource[]> {
  const { suite } = request
  const isRelease = !rolling.has(suite) && !/[-/]/.test(suite)
  const { updates = isRelease, security = isRelease } = request
  const common = {
    components: request.components ?? ['main'],
    signedBy: await debianKeyring(),
    keyringPath: '/usr/share/keyrings/debian-archive-keyring.gpg',
  }
  return [
    {
      ...common,
      uris: mirrors(request.mirrors, debianMirror),
      suites: [suite, ...(updates ? [`${suite}-updates`] : [])],
    },
    ...(security
      ? [
          {
            ...common,
            uris: mirrors(request.securityMirrors, debianSecurityMirror),
            suites: [`${suite}-security`],
          },
        ]
      : []),
  ]
}

/**
 * The sources of an Ubuntu image: the release, its updates and security suites. amd64 and i386 have mirrors
 * of their own, every other architecture is on the ports mirror.
 */
export async function ubuntuSources(request: PresetRequest): Promise<readonly DebSource[]> {
  const { suite, architecture, updates = true, security = true } = request
  const isPort = architecture !== 'amd64' && architecture !== 'i386'
  const common = {
    components: request.components ?? ['main', 'universe'],
    signedBy: await ubuntuKeyring(),
    keyringPath: '/usr/share/keyrings/ubuntu-archive-keyring.gpg',
  }
  const securityMirror = isPort ? ubuntuPortsMirror : ubuntuSecurityMirror
  return [
    {
      ...common,
      uris: mirrors(request.mirrors, isPort ? ubuntuPortsMirror : ubuntuMirror),
      suites: [suite, ...(updates ? [`${suite}-updates`] : [])],
    },
    ...(security
      ? [
          {
            ...common,
            uris: mirrors(request.securityMirrors, securityMirror),
            suites: [`${suite}-security`],
          },
        ]
      : []),
  ]
}

/** Debian's archive keys, from its debian-archive-keyring package. */
export async function debianKeyring(): Promise<Keyring> {
  return { keys: [await readFile(bundledKey('debian-archive.asc'))] }
}

/** Ubuntu's archive key, from Debian's ubuntu-keyring package. */
export async function ubuntuKeyring(): Promise<Keyring> {
  return { keys: [await readFile(bundledKey('ubuntu-archive.asc'))] }
}

function mirrors(given: readonly string[] | undefined, own: string): readonly string[] {
  return given === undefined || given.length === 0
    ? [own]
    : given.map((uri) => uri.replace(/\/+$/, ''))
}
