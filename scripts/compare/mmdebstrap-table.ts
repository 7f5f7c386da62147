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
    reason: 'the order in which packages were configured',
    compare: sortedLines,
  },
  {
    path: /^usr\/s?bin\//,
    where: (peer) => peer.has('usr/lib/usrmerge/convert-usrmerge'),
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
    path: /^etc\/ssh\/ssh_host_[a-z0-9]+_key(\.pub)?$/,
    reason: 'made at random',
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

function sortedLines(text: string): string {
  return text.split('\n').toSorted().join('\n')
}

function sortedStanzas(text: string): string {
  return `${text.trim().split('\n\n').toSorted().join('\n\n')}\n`
}
