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

/** All of it. Everything else must be equal. */
const rules: readonly Rule[] = []

const used = new Set<Rule>()

/** Parts the differences of a case with a builder in those the table has and others. */
export function splitDifferences(
  name: string,
  builder: string,
  differences: readonly Difference[],
): { readonly deliberate: readonly Difference[]; readonly others: readonly Difference[] } {
  const ruleOf = ({ where }: Difference): Rule | undefined =>
    rules.find(
      (rule) => rule.builders.includes(builder) && rule.cases.test(name) && rule.where.test(where),
    )
  const deliberate = differences.filter((difference) => {
    const rule = ruleOf(difference)
    if (rule) used.add(rule)
    return rule !== undefined
  })
  return { deliberate, others: differences.filter((one) => !deliberate.includes(one)) }
}

/** Rules about these builders that no difference needed, once all cases were compared. */
export function unusedRules(builders: readonly string[]): readonly string[] {
  return rules
    .filter((rule) => rule.builders.some((name) => builders.includes(name)) && !used.has(rule))
    .map((rule) => `${rule.cases.source} ${rule.where.source}: ${rule.reason}`)
}
