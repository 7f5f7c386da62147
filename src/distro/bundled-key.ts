import { fileURLToPath } from 'node:url'

/**
 * A key that comes with plinth, or a directory of some. They are in `recipes/keys` at the package's root: two
 * levels above this module, and above the file in `dist/lib` that it becomes a part of.
 */
export function bundledKey(name: string): string {
  return fileURLToPath(new URL(`../../recipes/keys/${name}`, import.meta.url))
}
