import { readableSize } from '../../output/progress.ts'
import type { PlannedPackage, Reason } from '../../plan.ts'
import { quantity } from '../../quantity.ts'
import { formatReason } from '../../solver/explain.ts'
import { printable, table } from '../format.ts'
import type { CommandContext, RecipeOptions } from '../command.ts'
import { withProgress } from './progress.ts'
import { readRequest } from './request.ts'

/** `plinth plan`: the packages in the order they go in, with sizes and reasons, and totals. */
export async function plan(
  recipe: string,
  options: RecipeOptions,
  context: CommandContext,
): Promise<string> {
  const request = await readRequest(recipe, options, context)
  const planned = await withProgress(options, context, async (deps) => {
    const stages = await context.stages()
    return stages.plan(request, deps)
  })
  if (options.json === true) return `${JSON.stringify(planned, undefined, 2)}\n`
  return planTable(planned.packages)
}

function planTable(packages: readonly PlannedPackage[]): string {
  const rows = packages.map((found, index) =>
    [
      String(index + 1),
      found.name,
      found.version,
      found.architecture,
      readableSize(found.size),
      readableSize(found.installedSize),
      whyOf(found),
    ].map(printable),
  )
  const sum = (of: (found: PlannedPackage) => number): string =>
    readableSize(packages.reduce((total, found) => total + of(found), 0))
  const heading = ['#', 'PACKAGE', 'VERSION', 'ARCH', 'DOWNLOAD', 'INSTALLED', 'WHY']
  const listed = table(heading, rows, ['right', 'left', 'left', 'left', 'right', 'right', 'left'])
  const totals = `${quantity(packages.length, 'package')}, ${sum((p) => p.size)} to download, ${sum((p) => p.installedSize)} installed`
  return `${listed}\n${totals}\n`
}

/** The reasons in a few words; a package many need names the first and how many more. */
function whyOf({ reasons }: PlannedPackage): string {
  const [first, ...others] = reasons.toSorted((a, b) => weight(a) - weight(b)).map(formatReason)
  if (first === undefined) return ''
  return others.length === 0 ? first : `${first} (and ${others.length} more)`
}

/** What a person decided comes before what packages need. */
function weight(reason: Reason): number {
  return ['asked', 'essential', 'variant', 'priority', 'dependency'].indexOf(reason.kind)
}
