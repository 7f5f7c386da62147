import type { ApkSigner } from './apk.ts'
import type { TestKey } from './keys.ts'

/** A recipe over repositories of a test's own. */
export interface LocalRecipe {
  readonly mirrors: readonly string[]
  /** that may sign; certificates as they are published */
  readonly keys: readonly Pick<TestKey, 'armored'>[]
  readonly suites?: readonly string[]
  readonly components?: readonly string[]
  readonly include?: readonly string[]
  readonly variant?: 'custom' | 'essential' | 'apt' | 'minbase'
  /** beside these of Debian */
  readonly debian?: string
}

/** The recipe as the text of a module. */
export function localRecipe(spec: LocalRecipe): string {
  const { debian, include = [], variant = debian === undefined ? 'custom' : 'essential' } = spec
  const source = {
    uris: spec.mirrors,
    suites: spec.suites ?? ['demo'],
    components: spec.components ?? ['main'],
    signedBy: spec.keys.map(({ armored }) => armored),
  }
  const options = {
    ...(debian === undefined ? { distro: 'custom' } : { suite: debian }),
    sources: [source],
    variant,
    include,
  }
  return `import { cmd, deb, defineRecipe } from 'plinth'
export default defineRecipe({
  name: 'local',
  rootfs: deb(${JSON.stringify(options)}),
  instructions: [cmd(['/bin/sh'])],
})
`
}

/** The same over repositories of apk. */
export interface LocalApkRecipe {
  readonly repositories: readonly (string | { readonly uris: readonly string[] })[]
  /** that may sign */
  readonly keys: readonly Pick<ApkSigner, 'name' | 'publicKey'>[]
  readonly packages: readonly string[]
  readonly scripts?: 'run' | 'off'
}

/** The recipe as the text of a module; `scripts` are off unless it says otherwise. */
export function localApkRecipe({ keys, ...spec }: LocalApkRecipe): string {
  const options = {
    distro: 'custom',
    scripts: 'off',
    ...spec,
    keys: keys.map(({ name, publicKey }) => ({ name, pem: publicKey })),
  }
  return `import { apk, cmd, defineRecipe } from 'plinth'
export default defineRecipe({
  name: 'local',
  rootfs: apk(${JSON.stringify(options)}),
  instructions: [cmd(['/bin/sh'])],
})
`
}
