import { PlinthError } from '../errors.ts'

/** A package's interest in a trigger (deb-triggers(5)). */
export interface TriggerInterest {
  readonly trigger: string
  /** whether packages that activate it do not wait for it */
  readonly noawait: boolean
}

/** The `interest` directives of a `triggers` control file. Throws `CONTROL_INVALID` for an unknown directive. */
export function triggerInterests(text: string, archive: string): TriggerInterest[] {
  const interests: TriggerInterest[] = []
  for (const raw of text.split('\n')) {
    const line = raw.replace(/#.*/, '').trim()
    if (line === '') continue
    const match = /^(interest|activate)(?:-(await|noawait))?\s+(\S+)$/.exec(line)
    if (!match)
      throw new PlinthError('CONTROL_INVALID', `cannot read the triggers of ${archive}: '${line}'`)
    if (match[1] === 'interest')
      interests.push({ trigger: match[3]!, noawait: match[2] === 'noawait' })
  }
  return interests
}
