import { printable } from '../archive/path.ts'
import { PlinthError } from '../errors.ts'

/** A package's interest in a trigger (deb-triggers(5)). */
export interface TriggerInterest {
  readonly trigger: string
  /** whether packages that activate it do not wait for it */
  readonly noawait: boolean
}

/**
 * The `interest` directives of a `triggers` control file. Throws `CONTROL_INVALID` for an unknown
 * directive and for a name that could not be a file of dpkg's `triggers` directory.
 */
export function triggerInterests(text: string, archive: string): TriggerInterest[] {
  const interests: TriggerInterest[] = []
  for (const raw of text.split('\n')) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    const match = /^(interest|activate)(?:-(await|noawait))?\s+(\S+)$/.exec(line)
    if (!match || !isTriggerName(match[3]!)) {
      throw new PlinthError(
        'CONTROL_INVALID',
        `cannot read the triggers of ${archive}: '${printable(line)}'`,
        { facts: { archive } },
      )
    }
    if (match[1] === 'interest')
      interests.push({ trigger: match[3]!, noawait: match[2] === 'noawait' })
  }
  return interests
}

/** A path, or a name that stands for itself; dpkg has files of its own beside those of the names. */
function isTriggerName(name: string): boolean {
  if (!/^[!-~]+$/.test(name)) return false
  return name.startsWith('/') || !(name.includes('/') || /^(\.\.?|File|Unincorp|Lock)$/.test(name))
}
