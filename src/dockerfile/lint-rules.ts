import type { Location } from '../stage.ts'
import type { CheckOptions } from './directives.ts'

const rules = [
  'StageNameCasing',
  'FromAsCasing',
  'NoEmptyContinuation',
  'ConsistentInstructionCasing',
  'DuplicateStageName',
  'ReservedStageName',
  'JSONArgsRecommended',
  'MaintainerDeprecated',
  'UndefinedArgInFrom',
  'WorkdirRelativePath',
  'UndefinedVar',
  'MultipleInstructionsDisallowed',
  'LegacyKeyValueFormat',
  'RedundantTargetPlatform',
  'SecretsUsedInArgOrEnv',
  'InvalidDefaultArgInFrom',
  'FromPlatformFlagConstDisallowed',
  'CopyIgnoredFile',
  'InvalidDefinitionDescription',
  'ExposeProtoCasing',
  'ExposeInvalidFormat',
] as const

/** A rule's name, as BuildKit has it. */
export type LintRule = (typeof rules)[number]

/** What may be meant otherwise than it is written. The rules have BuildKit's names. */
export interface LintWarning {
  readonly rule: LintRule
  readonly message: string
  readonly location: Location
  readonly hint?: string | undefined
}

const experimental: ReadonlySet<LintRule> = new Set(['InvalidDefinitionDescription'])

/** Whether a rule is looked at: experimental ones have to be asked for. */
export function isKnownRule(rule: LintRule, { skip, experimental: asked }: CheckOptions): boolean {
  const name = rule.toLowerCase()
  if (experimental.has(rule)) return asked.includes('all') || asked.includes(name)
  return !skip.includes('all') && !skip.includes(name)
}
