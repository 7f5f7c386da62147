import { PlinthError } from '../errors.ts'
import { nearest } from '../nearest.ts'
import { skippableChecks, type SkippableCheck } from '../recipe/rootfs.ts'

/** The check that `--skip` names. Throws `USAGE` with the nearest. */
export function parseCheck(text: string): SkippableCheck {
  const known = skippableChecks.find((check) => check === text)
  if (known !== undefined) return known
  const [close] = nearest(text, skippableChecks)
  throw new PlinthError('USAGE', `'${text}' is no check that can be skipped`, {
    hint: close === undefined ? `known: ${skippableChecks.join(', ')}` : `did you mean ${close}?`,
  })
}
