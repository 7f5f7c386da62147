import type { Difference } from './compare-images.ts'

/** What may differ between a builder of Docker's and plinth, and why. */
interface Rule {
  /** of Docker's builders, which */
  readonly builders: readonly string[]
  /** names of cases */
  readonly cases: RegExp
  /** what of them: see `Difference.where` */
  readonly where: RegExp
  readonly reason: string
}

const buildkit = ['buildkit', 'recent', 'recorded']
const all = ['classic', ...buildkit, 'labs']

/** All of it. Everything else must be equal. */
const rules: readonly Rule[] = [
  {
    builders: all,
    cases:
      /^(add\/(a (file|URL)|a tar (by content|in a directory)|an empty tar|what is compressed|a broken tar, c|COPY|exclude|several tars|a tar that is not)|arg|config|copy|from|ignore|mount|onbuild|parents|run)/,
    where: /^time /,
    reason:
      'files of the context get the time of the build, not their own: a checkout gives them any, and the digest would tell',
  },
  {
    builders: all,
    cases: /^add\/(a tar|several tars|a URL of a tar|link)/,
    where: /^layer \d+ (.*\/)?attributes$/,
    reason: "Docker loses a tar's extended attributes of users' own; plinth keeps them",
  },
  {
    builders: all,
    cases: /^add\/a broken tar$/,
    where: /^outcome$/,
    reason: 'a tar that ends in the middle is an error, not half of its files',
  },
  {
    builders: all,
    cases: /^add\/a URL with a mode$/,
    where: /^layer 0 to$/,
    reason: '--chmod=644 of a file would make the directory it is put in one that nobody can enter',
  },
  {
    builders: all,
    cases: /^config\/workdir in all forms$/,
    where: /^(config WorkingDir|history [78]|layer 8 dots\/x)$/,
    reason: 'a working directory is kept without dots and the slash at its end',
  },
  {
    builders: all,
    cases: /^copy\/(a file into a directory|twice the same)$/,
    where: /^layer 1 /,
    reason:
      'Docker finds that the file was there already by comparing trees; plinth writes what was copied',
  },
  {
    builders: buildkit,
    cases: /^copy\/a source above the context$/,
    where: /^outcome$/,
    reason:
      'BuildKit takes ../x for x; as the classic builder does, plinth says that it is not in the context',
  },
  {
    builders: buildkit,
    cases: /^copy\/(owner|group) that is unknown$/,
    where: /^outcome$/,
    reason: 'BuildKit makes them root; a misspelt name is an error, as for the classic builder',
  },
  {
    builders: buildkit,
    cases: /^copy\/mode in octal of directories$/,
    where: /^layer 1 n/,
    reason:
      'BuildKit gives directories it makes on the way some bits of --chmod; plinth makes all of them 0755',
  },
  {
    builders: buildkit,
    cases: /^copy\/link with an owner by name$/,
    where: /^outcome$/,
    reason:
      "BuildKit looks for names in the empty tree that --link copies to; plinth looks in the image's",
  },
  {
    builders: buildkit,
    cases: /^from\/target by number$/,
    where: /^outcome$/,
    reason: 'a stage without a name can be the target, by its number, as in COPY --from',
  },
  {
    builders: buildkit,
    cases: /^from\/a name with a backslash$/,
    where: /^outcome$/,
    reason: 'a file whose name has a backslash can be copied: it is escaped as any wildcard is',
  },
  {
    builders: buildkit,
    cases: /^mount\/bind from an image$/,
    where: /^layer 1 proc$/,
    reason: 'directories made for mounts alone do not stay in the layer; Docker leaves some',
  },
  {
    builders: buildkit,
    cases: /^mount\/ssh that nobody gives$/,
    where: /^layer 0 out$/,
    reason: 'SSH_AUTH_SOCK is set where there is an agent, not to a path that does not exist',
  },
  {
    builders: all,
    cases: /^onbuild\/triggers with an unknown instruction$/,
    where: /^outcome$/,
    reason: 'a trigger that could never be carried out is an error where it is written',
  },
  {
    builders: all,
    cases: /^run\/(processes are its own|devices and mounts)$/,
    where: /^layer 0 (pid|devices)$/,
    reason:
      'the command is not process 1, which ignores signals: an init of plinth is; no message queues',
  },
  {
    builders: all,
    cases: /^run\/hard links to the base's files$/,
    where: /^layer 0 data\/(first|third|one|uno)$/,
    reason:
      "hard links that a RUN makes to files of the base stay links; Docker's layers part them",
  },
  {
    builders: all,
    cases: /^run\/resolv\.conf written$/,
    where: /^outcome$/,
    reason:
      'a RUN may write /etc/resolv.conf for itself; with the network of the host Docker has it read-only',
  },
  {
    builders: ['recent', 'recorded'],
    cases: /^run\/security sandbox$/,
    where: /^outcome$/,
    reason: 'RUN --security is known; the BuildKit inside of Docker 28 is built without it',
  },
]

const used = new Set<Rule>()

/**
 * Parts the differences of a case with a builder in deliberate ones and others. Deliberate is what the table has,
 * and what an older builder does otherwise than today's BuildKit where plinth does as that does: `today` are the
 * differences with it, when there is a record of it.
 */
export function splitDifferences(
  name: string,
  builder: string,
  differences: readonly Difference[],
  today: readonly Difference[] | undefined,
): { readonly deliberate: readonly Difference[]; readonly others: readonly Difference[] } {
  const isOlder = today !== undefined && (builder === 'classic' || builder === 'buildkit')
  const hasChanged = ({ where }: Difference): boolean =>
    isOlder &&
    today.every((difference) => difference.where !== where && difference.where !== 'outcome')
  const ruleOf = ({ where }: Difference): Rule | undefined =>
    rules.find(
      (rule) => rule.builders.includes(builder) && rule.cases.test(name) && rule.where.test(where),
    )
  const deliberate = differences.filter((difference) => {
    const rule = ruleOf(difference)
    if (rule) used.add(rule)
    return rule !== undefined || hasChanged(difference)
  })
  return { deliberate, others: differences.filter((one) => !deliberate.includes(one)) }
}

/** Rules about these builders that no difference needed, once all cases were compared. */
export function unusedRules(builders: readonly string[]): readonly string[] {
  return rules
    .filter((rule) => rule.builders.some((name) => builders.includes(name)) && !used.has(rule))
    .map((rule) => `${rule.cases.source} ${rule.where.source}: ${rule.reason}`)
}
