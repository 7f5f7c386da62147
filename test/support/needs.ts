import { spawnSync } from 'node:child_process'
import { accessSync, appendFileSync, constants, existsSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

/** Commands suites compare with or hand images to, and the Debian package that brings each. */
const commands = {
  'apt-ftparchive': 'apt-utils',
  'apt-get': 'apt',
  busybox: 'busybox-static',
  bzip2: 'bzip2',
  debootstrap: 'debootstrap',
  docker: 'docker.io',
  dockerd: 'docker.io',
  dpkg: 'dpkg',
  'dpkg-deb': 'dpkg',
  faketime: 'faketime',
  git: 'git',
  gpg: 'gnupg',
  gpgv: 'gpgv',
  mmdebstrap: 'mmdebstrap',
  newuidmap: 'uidmap',
  setcap: 'libcap2-bin',
  skopeo: 'skopeo',
  tar: 'tar',
  umoci: 'umoci',
  unshare: 'util-linux',
  xz: 'xz-utils',
  zstd: 'zstd',
} as const

/** What this machine must be or have. */
const conditions = {
  linux: () => (process.platform === 'linux' ? undefined : `this is ${process.platform}`),
  root: () => (process.getuid?.() === 0 ? undefined : 'not root'),
  'apt-mirror': aptMirror,
  alpine: alpineReference,
  'user-namespaces': () =>
    missingCommand('unshare') ??
    failing('user namespaces are not allowed', 'unshare', ['--user', '--map-root-user', 'true']),
} as const

/** What no machine can be asked to have: real files that are not the project's. */
const external: ReadonlySet<string> = new Set(['alpine'])

export type Need = keyof typeof commands | keyof typeof conditions

/** Whether a suite can run here. */
export interface Availability {
  readonly available: boolean
  /** what is missing, when something is */
  readonly reason: string | undefined
}

/** Where `scripts/test.mjs` reads what was left out: one JSON object a line. */
const record = fileURLToPath(
  new URL('../../node_modules/.cache/left-out-suites.jsonl', import.meta.url),
)

/**
 * Whether everything `wanted` is here: `describe.skipIf(!needs('skopeo').available)(…)`.
 * A suite that must be left out is recorded for the summary; with `CI=true` it throws instead, since there
 * nothing may be left out but comparisons with files that are not the project's.
 */
export function needs(...wanted: readonly Need[]): Availability {
  const reasons = wanted.map(missing).filter((reason) => reason !== undefined)
  if (reasons.length === 0) return { available: true, reason: undefined }
  const reason = [...new Set(reasons)].join(', ')
  const suite = callerFile()
  const owed = wanted.some((need) => missing(need) !== undefined && !external.has(need))
  if (owed && process.env['CI'] === 'true') {
    throw new Error(`${suite} must not be left out with CI=true: ${reason}`)
  }
  mkdirSync(path.dirname(record), { recursive: true })
  appendFileSync(record, `${JSON.stringify({ suite, reason })}\n`)
  return { available: false, reason }
}

const known = new Map<Need, string | undefined>()

function missing(need: Need): string | undefined {
  if (!known.has(need)) {
    known.set(
      need,
      need in commands ? missingCommand(need) : conditions[need as keyof typeof conditions](),
    )
  }
  return known.get(need)
}

function missingCommand(name: string): string | undefined {
  const places = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin']
  for (const place of places) {
    try {
      accessSync(path.join(place, name), constants.X_OK)
      return undefined
    } catch {
      // not there
    }
  }
  const debian = commands[name as keyof typeof commands]
  return `${name} is not installed (Debian package ${debian})`
}

function failing(reason: string, command: string, argv: readonly string[]): string | undefined {
  const { status } = spawnSync(command, argv, { stdio: 'ignore', timeout: 10_000 })
  return status === 0 ? undefined : reason
}

/** The mirror apt itself is set up with, asked for one small file. */
function aptMirror(): string | undefined {
  const apt = missingCommand('apt-get')
  if (apt !== undefined) return apt
  const { stdout } = spawnSync('apt-get', ['indextargets', '--format', '$(SITE) $(RELEASE)'], {
    encoding: 'utf8',
  })
  const [site, release] = stdout.split('\n', 1)[0]?.split(' ') ?? []
  if (!site) return 'apt has no mirror'
  const probe = `const { status } = await fetch(${JSON.stringify(`${site}/dists/${release}/InRelease`)}, { method: 'HEAD' }); process.exit(status === 200 ? 0 : 1)`
  const argv = ['--input-type=module', '--eval', probe]
  return failing(`${site} does not answer`, process.execPath, argv)
}

/** Real Alpine files beside the checkout, and a machine that runs what is in them. */
function alpineReference(): string | undefined {
  const place = fileURLToPath(new URL('../../../shared/alpine/minirootfs', import.meta.url))
  if (!existsSync(place)) return 'the real Alpine files (../shared/alpine) are not here'
  if (process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch)) return undefined
  return `Alpine's files do not run on ${process.platform} ${process.arch}`
}

function callerFile(): string {
  const stack = new Error('where').stack ?? ''
  const [, file = 'a suite'] = /(test\/[^\s():?]+\.test\.ts)/.exec(stack) ?? []
  return file
}
