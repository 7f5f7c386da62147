import { printable } from '../archive/path.ts'
import { PlinthError } from '../errors.ts'

/** dpkg's own order of the fields in `status` (lib/dpkg's field table, deb-control(5)); others follow as they came. */
const order = [
  'Package',
  'Essential',
  'Protected',
  'Status',
  'Priority',
  'Section',
  'Installed-Size',
  'Origin',
  'Maintainer',
  'Bugs',
  'Architecture',
  'Multi-Arch',
  'Source',
  'Version',
  'Config-Version',
  'Replaces',
  'Provides',
  'Depends',
  'Pre-Depends',
  'Recommends',
  'Suggests',
  'Breaks',
  'Conflicts',
  'Enhances',
  'Conffiles',
  'Description',
  'Triggers-Pending',
  'Triggers-Awaited',
]
const rank = new Map(order.map((name, index) => [name.toLowerCase(), index]))

/** Fields that a package cannot say of itself: they are the archive's, or dpkg's own. */
const dropped = new Set(
  ['filename', 'size', 'md5sum', 'msdos-filename'].concat([
    'status',
    'config-version',
    'conffiles',
    'triggers-pending',
    'triggers-awaited',
  ]),
)

export interface Conffile {
  readonly path: string
  readonly md5: string
  readonly removeOnUpgrade: boolean
}

/**
 * The stanza of a package in dpkg's `status`, made of its `control` paragraph. Throws `CONTROL_INVALID`
 * naming `archive` for text that is no paragraph.
 */
export function statusStanza(
  control: string,
  more: { readonly status: string; readonly conffiles: readonly Conffile[] },
  archive: string,
): string {
  const fields = rawFields(control, archive).filter(([name]) => !dropped.has(name.toLowerCase()))
  fields.push(['Status', ` ${more.status}\n`])
  if (more.conffiles.length > 0) {
    const lines = more.conffiles.map(
      ({ path, md5, removeOnUpgrade }) =>
        ` /${path} ${md5}${removeOnUpgrade ? ' remove-on-upgrade' : ''}\n`,
    )
    fields.push(['Conffiles', `\n${lines.join('')}`])
  }
  return fields
    .map((field, index) => ({ field, index }))
    .toSorted((a, b) => position(a.field[0]) - position(b.field[0]) || a.index - b.index)
    .map(({ field: [name, value] }) => `${order[position(name)] ?? name}:${value}`)
    .join('')
}

/** Where a field stands among dpkg's. */
function position(name: string): number {
  return rank.get(name.toLowerCase()) ?? order.length
}

/**
 * Fields as they are written: the name, and everything after the colon with its line ends. Throws
 * `CONTROL_INVALID` for text that is no paragraph, names a field twice, or lacks what dpkg cannot do without.
 */
export function rawFields(control: string, archive: string): [name: string, value: string][] {
  const fields: [string, string][] = []
  const names = new Set<string>()
  for (const line of control.split('\n')) {
    if (line.trim() === '') {
      if (fields.length > 0) break
      continue
    }
    if (line.startsWith('#')) continue
    if (/^[ \t]/.test(line)) {
      const last = fields.at(-1)
      if (!last) throw invalid(archive, 'it begins with a continuation line')
      last[1] += `${line}\n`
      continue
    }
    const name = /^([!-9;-~]+)[ \t]*:/.exec(line)?.[1]
    if (name === undefined) throw invalid(archive, `'${printable(line.slice(0, 60))}' is no field`)
    if (names.has(name.toLowerCase())) throw invalid(archive, `it gives ${name} twice`)
    names.add(name.toLowerCase())
    const value = line.slice(line.indexOf(':') + 1).replace(/^[ \t]+/, '')
    fields.push([name, value.trim() === '' ? '\n' : ` ${value}\n`])
  }
  for (const name of ['Package', 'Version', 'Architecture'])
    if (!names.has(name.toLowerCase())) throw invalid(archive, `it names no ${name}`)
  // as dpkg does: white space at the end of a value goes, at the end of its other lines it stays
  return fields.map(([name, value]) => [name, `${value.trimEnd()}\n`])
}

function invalid(archive: string, why: string): PlinthError {
  return new PlinthError('CONTROL_INVALID', `cannot read the control file of ${archive}: ${why}`, {
    facts: { archive },
  })
}
