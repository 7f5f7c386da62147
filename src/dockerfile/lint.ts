import { checkFailure, type Dockerfile, type DockerfileStage, neededStages } from './dockerfile.ts'
import { instructionWarnings } from './lint-instructions.ts'
import { stageWarnings } from './lint-stages.ts'
import { nearest } from '../nearest.ts'
import { isKnownRule, type LintWarning } from './lint-rules.ts'

/**
 * The warnings that the text alone gives, in the order of its lines, without those `# check=` skips. `ignored`
 * says what .dockerignore leaves out. Throws `DOCKERFILE_INVALID` for the first when `# check=error=true`.
 */
export function lintDockerfile(
  dockerfile: Dockerfile,
  ignored?: (path: string) => boolean,
): readonly LintWarning[] {
  const warnings = [
    ...stageWarnings(dockerfile),
    ...instructionWarnings(dockerfile, neededStages(dockerfile.graph), ignored),
  ]
  return reported(dockerfile, warnings)
}

/**
 * The variables a stage uses that nothing sets: neither ARG nor ENV nor the base image, whose variables' names
 * these are. Throws as `lintDockerfile`.
 */
export function undefinedVariables(
  dockerfile: Dockerfile,
  stage: number,
  baseVariables: Iterable<string>,
): readonly LintWarning[] {
  const { stages } = dockerfile.graph
  const chain: DockerfileStage[] = []
  for (let at: number | undefined = stage; at !== undefined;) {
    const one: DockerfileStage | undefined = stages[at]
    if (one) chain.unshift(one)
    at = one?.base.kind === 'stage' ? one.base.stage : undefined
  }
  const known = new Set(['PATH', ...baseVariables])
  const warnings: LintWarning[] = []
  for (const one of chain) {
    for (const step of one.steps) {
      for (const name of step.variables) {
        if (known.has(name) || one !== chain.at(-1)) continue
        const [close] = nearest(name, known, 1)
        warnings.push({
          rule: 'UndefinedVar',
          message: `nothing sets the variable $${name}`,
          location: step.location!,
          hint: close === undefined ? undefined : `did you mean $${close}?`,
        })
      }
      for (const name of definedBy(step)) known.add(name)
    }
  }
  return reported(dockerfile, warnings)
}

/** The names an ENV or ARG sets or declares. */
function definedBy({ name, instruction }: DockerfileStage['steps'][number]): readonly string[] {
  if (name !== 'ENV' && name !== 'ARG') return []
  const value = typeof instruction === 'function' ? instruction({ get: () => 'x' }) : instruction
  if (value.kind === 'env') return value.pairs.map(([one]) => one)
  return value.kind === 'arg' ? value.args.map((one) => one.name) : []
}

function reported(
  dockerfile: Dockerfile,
  warnings: readonly LintWarning[],
): readonly LintWarning[] {
  const { check } = dockerfile.directives
  const left = warnings
    .filter(({ rule }) => isKnownRule(rule, check))
    .toSorted((a, b) => a.location.line - b.location.line || a.location.column - b.location.column)
  if (check.error && left.length > 0) throw checkFailure(dockerfile, left)
  return left
}
