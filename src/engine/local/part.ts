import type { Content } from '../../entry.ts'
import type { Selection } from './select.ts'

/** Files to copy that come from one place. */
export interface Part {
  /** all that decides what is copied, by content */
  readonly key: unknown
  readonly selections: () => Promise<readonly Selection[]>
  /** the content of what has none of its own, by its path in the source */
  readonly content?: ((from: string) => Content) | undefined
  /** archives are unpacked instead */
  readonly unpack?: boolean | undefined
}
