import { statusStanza } from '../../deb/status.ts'
import { triggerInterests } from '../../deb/triggers.ts'
import type { Entry } from '../../entry.ts'
import { conffilePaths, type UnpackedDeb } from './unpack.ts'

/** A package as dpkg's database records it right after unpacking. */
export interface DatabasePackage {
  readonly name: string
  readonly architecture: string
  readonly multiArch: string | undefined
  readonly deb: UnpackedDeb
  /** the paths it owns, without `/`, in its own order */
  readonly list: readonly string[]
}

const home = 'var/lib/dpkg'

/**
 * The dpkg database of a system on which these packages are unpacked and none is configured: what
 * `dpkg --unpack` would have left (dpkg(1), deb-*(5); `info/` names carry the architecture for
 * Multi-Arch: same, as dpkg's `pkg_infodb` does).
 */
export function dpkgDatabase(
  packages: readonly DatabasePackage[],
  options: {
    readonly architecture: string
    readonly foreignArchitectures?: readonly string[]
    readonly mtime: number
  },
): Entry[] {
  const { mtime } = options
  const owned = { uid: 0, gid: 0, mtime }
  const directory = (path: string): Entry => ({ type: 'directory', path, mode: 0o755, ...owned })
  const file = (path: string, content: string | Buffer, as: Partial<Entry> = {}): Entry => {
    const bytes = Buffer.from(content as Buffer)
    return {
      mode: 0o644,
      ...owned,
      ...as,
      type: 'file',
      path,
      size: bytes.length,
      content: { kind: 'bytes', bytes },
    }
  }
  const entries: Entry[] = [
    ...[
      home,
      ...['alternatives', 'info', 'parts', 'triggers', 'updates'].map((name) => `${home}/${name}`),
    ].map(directory),
    file(`${home}/info/format`, '1\n'),
    file(
      `${home}/arch`,
      [options.architecture, ...(options.foreignArchitectures ?? [])].map((a) => `${a}\n`).join(''),
    ),
  ]

  const stanzas = new Map<string, string>()
  const fileTriggers: string[] = []
  const namedTriggers = new Map<string, string[]>()
  for (const pkg of packages) {
    const { deb } = pkg
    const conffiles = conffilePaths(deb.controlFiles).map(({ path, removeOnUpgrade }) => ({
      path,
      // a conffile that the package names but does not ship (remove-on-upgrade) has no hash
      md5: md5Of(deb, path) ?? 'newconffile',
      removeOnUpgrade,
    }))
    const stanza = statusStanza(deb.control, { status: 'install ok unpacked', conffiles }, pkg.name)
    // dpkg keeps them by name, then architecture; a blank comes before whatever a name may hold
    stanzas.set(`${pkg.name} ${pkg.architecture}`, `${stanza}\n`)

    const info = `${home}/info/${pkg.multiArch === 'same' ? `${pkg.name}:${pkg.architecture}` : pkg.name}`
    const list = [...(deb.rootListed ? ['/.'] : []), ...pkg.list.map((path) => `/${path}`)]
    entries.push(file(`${info}.list`, list.map((path) => `${path}\n`).join('')))
    for (const control of deb.controlFiles) {
      // dpkg does not take its own file from a package either
      if (control.name === 'list') continue
      const as = { mode: control.mode & 0o777, mtime: control.mtime }
      entries.push(file(`${info}.${control.name}`, Buffer.from(control.bytes, 'latin1'), as))
    }
    if (!deb.controlFiles.some(({ name }) => name === 'md5sums')) {
      const sums = deb.entries
        .filter((e) => e.type === 'file' || e.type === 'hardlink')
        .map((e) => `${md5Of(deb, e.type === 'hardlink' ? e.target : e.path)}  ${e.path}\n`)
      entries.push(file(`${info}.md5sums`, sums.join('')))
    }
    const triggers = deb.controlFiles.find(({ name }) => name === 'triggers')
    for (const { trigger, noawait } of triggers ? triggerInterests(triggers.bytes, pkg.name) : []) {
      const interested = `${pkg.name}${pkg.multiArch === 'same' ? `:${pkg.architecture}` : ''}${noawait ? '/noawait' : ''}`
      if (trigger.startsWith('/')) fileTriggers.push(`${trigger} ${interested}\n`)
      else namedTriggers.set(trigger, [...(namedTriggers.get(trigger) ?? []), `${interested}\n`])
    }
  }
  const inOrder = [...stanzas.keys()].toSorted().map((key) => stanzas.get(key))
  entries.push(file(`${home}/status`, inOrder.join('')))
  if (fileTriggers.length > 0) entries.push(file(`${home}/triggers/File`, fileTriggers.join('')))
  for (const [trigger, lines] of namedTriggers)
    entries.push(file(`${home}/triggers/${trigger}`, lines.join('')))
  return entries
}

function md5Of(deb: UnpackedDeb, path: string): string | undefined {
  return Object.hasOwn(deb.md5, path) ? deb.md5[path] : undefined
}
