/** What may differ between a tree of mmdebstrap's and plinth's, and why. */
export interface Normalisation {
  readonly path: RegExp
  readonly reason: string
  /** leave the path out on both sides, or compare what this makes of its content */
  readonly compare: 'nothing' | ((text: string) => string)
}

/**
 * All of it, apart from what plinth's clean-up table (src/distro/deb/cleanup.ts) removes or empties, which
 * is applied to both trees. Everything else must be equal.
 */
export const normalisations: readonly Normalisation[] = [
  {
    path: /^etc\/(hostname|resolv\.conf)$/,
    reason: 'mmdebstrap copies them from the machine it runs on',
    compare: 'nothing',
  },
  {
    path: /^etc\/apt\/sources\.list\.d\/(0000)?debian\.sources$/,
    reason: 'mmdebstrap puts a number before the name of the source file; the content was its input',
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
]

function sortedLines(text: string): string {
  return text.split('\n').toSorted().join('\n')
}

function sortedStanzas(text: string): string {
  return `${text.trim().split('\n\n').toSorted().join('\n\n')}\n`
}
