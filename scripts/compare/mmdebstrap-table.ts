import type { Tree } from '../../src/rootfs/tree.ts'

/** What may differ between a tree of mmdebstrap's and plinth's, and why. */
export interface Normalisation {
  readonly path: RegExp
  readonly reason: string
  /** only there; default everywhere */
  readonly where?: (peer: Tree) => boolean
  /** leave the path out on both sides, take a hard link for a copy, or compare what this makes of its content */
  readonly compare: 'nothing' | 'hard links as files' | ((text: string) => string)
}

/**
 * All of it, apart from what plinth's clean-up table (src/distro/deb/cleanup.ts) removes or empties, which
 * is applied to both trees. Everything else must be equal.
 */
export const normalisations: readonly Normalisation[] = [
  {
    path: /^etc\/(hostname|resolv\.conf)$/,
    reason: 'mmdebstrap leaves what it made of the names of the machine it runs on',
    compare: 'nothing',
  },
  {
    path: /^etc\/apt\/sources\.list\.d\/(0000)?debian\.sources$/,
    reason:
      'mmdebstrap puts a number before the name of the source file; the content was its input',
    compare: 'nothing',
  },
  {
    path: /^var\/(cache\/apt\/archives|lib\/apt\/lists)\/lock$/,
    reason: 'empty lock files of the apt that ran; the next one makes them again',
    compare: 'nothing',
  },
  {
    path: /^var\/lib\/apt\/extended_states$/,
    reason: 'apt writes it in the order of its hash table',
    compare: sortedStanzas,
  },
  {
    path: /^etc\/shells$/,
    where: wasMerged,
    reason:
      'mmdebstrap has shells listed before usrmerge moved them to /usr, and once more after, so in another order',
    compare: sortedLines,
  },
  {
    path: /^usr\/s?bin\//,
    where: wasMerged,
    reason:
      'mmdebstrap unpacks /bin and /sbin apart and lets usrmerge copy them to /usr, which parts hard links',
    compare: 'hard links as files',
  },
  {
    path: /^var\/lib\/dpkg\/triggers\/File$/,
    reason: 'a set; dpkg adds lines as it unpacks, and plinth unpacks what it can before dpkg runs',
    compare: sortedLines,
  },
  {
    path: /^etc\/(ssh\/ssh_host_[a-z0-9]+_key(\.pub)?|ssl\/(certs|private)\/ssl-cert-snakeoil\.(pem|key))$/,
    reason: 'made at random',
    compare: () => '',
  },
  {
    path: /^etc\/ssl\/certs\/java\/cacerts$/,
    reason: 'a Java key store says when each certificate was added, and ends in a digest of it all',
    compare: (text) => text.slice(0, -20).replaceAll(/[^]{8}(?=[^]{2}X\.509)/g, ''),
  },
  {
    path: /^var\/lib\/postgresql\/\d+\/main\/(global\/pg_control|pg_stat\/pgstat\.stat|pg_wal\/[0-9A-F]{24})$/,
    reason: 'a database cluster is given a number at random and says when it was made',
    compare: () => '',
  },
  {
    path: /^etc\/aliases\.db$/,
    reason: 'Berkeley DB gives each file an id of its inode and the time',
    compare: () => '',
  },
  {
    path: /^var\/cache\/fontconfig\/[0-9a-f]{32}-[a-z0-9]+\.cache-[0-9]+$/,
    reason:
      'directories that dpkg unpacks into are younger than SOURCE_DATE_EPOCH, and fc-cache then drops its own caches; in the image plinth makes they are valid',
    compare: 'nothing',
  },
]

/** Whether a package merged /usr, which plinth does while unpacking. */
function wasMerged(peer: Tree): boolean {
  return peer.has('usr/lib/usrmerge/convert-usrmerge')
}

function sortedLines(text: string): string {
  return text.split('\n').toSorted().join('\n')
}

function sortedStanzas(text: string): string {
  return `${text.trim().split('\n\n').toSorted().join('\n\n')}\n`
}
