import type { Platform } from '../platform.ts'

/** The arguments every Dockerfile may declare: what is built for and on (Dockerfile reference, "Automatic platform ARGs"). */
export function platformArguments({
  targetPlatform,
  buildPlatform,
  target,
  buildArgs,
}: {
  readonly targetPlatform: Platform
  readonly buildPlatform: Platform
  readonly target?: string | undefined
  readonly buildArgs?: ReadonlyMap<string, string> | undefined
}): readonly (readonly [string, string])[] {
  const known = [
    ...describe('BUILD', buildPlatform),
    ...describe('TARGET', targetPlatform),
    ['TARGETSTAGE', target || 'default'] as const,
  ]
  return known.map(([name, value]) => [name, buildArgs?.get(name) ?? value] as const)
}

function describe(prefix: string, platform: Platform): readonly (readonly [string, string])[] {
  const [os = '', arch = '', variant = ''] = platform.split('/')
  return [
    [`${prefix}PLATFORM`, platform],
    [`${prefix}OS`, os],
    [`${prefix}OSVERSION`, ''],
    [`${prefix}ARCH`, arch],
    [`${prefix}VARIANT`, variant],
  ]
}
