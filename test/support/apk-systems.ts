import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { parseIndexRecords, type IndexRecord } from '../../src/apk/index-record.ts'
import { writeTar } from '../../src/archive/tar-write.ts'
import { installApks } from '../../src/distro/apk/install.ts'
import type { ApkSystem } from '../../src/distro/apk/system.ts'
import { unpackApk } from '../../src/distro/apk/unpack.ts'
import type { Entry } from '../../src/entry.ts'
import type { Event } from '../../src/events.ts'
import { nativeExecutor } from '../../src/executor/native/executor.ts'
import type { Executor, Store } from '../../src/ports.ts'
import { sortedEntries, withOrderedLinks, type Tree } from '../../src/rootfs/tree.ts'
import { contentReader } from '../../src/store/content.ts'
import { hostArch, realApk } from './alpine.ts'
import { buildApk, buildIndex, indexRecord, testSigner, trusting, type ApkSpec } from './apk.ts'
import { bytesAt, readTree } from './minirootfs.ts'
import { scratchDirectory, scratchStore } from './scratch.ts'
import { chunked, gathered } from './streams.ts'

/** Packages to install, in this order, and how. */
export interface SystemSpec {
  readonly packages: readonly ApkSpec[]
  /** default: all packages, in their order of names */
  readonly world?: readonly string[]
  readonly scripts?: 'run' | 'off'
  readonly repositories?: readonly string[]
  readonly keys?: Readonly<Record<string, string>>
  /** tags of packages by name */
  readonly tags?: Readonly<Record<string, string>>
  readonly arch?: string
}

/** A root filesystem as lines by path; contents as digests, those of `texts` as they are. */
export interface Listing {
  readonly tree: Readonly<Record<string, string>>
  readonly texts: Readonly<Record<string, string>>
}

export const signer = testSigner('throw-away.rsa.pub')
export const epoch = 1_800_000_000

/** What apk writes of its own; compared byte by byte. */
export const ownFiles: readonly string[] = [
  'etc/apk/arch',
  'etc/apk/world',
  'lib/apk/db/installed',
  'lib/apk/db/scripts.tar',
  'lib/apk/db/triggers',
]

const signed = (spec: ApkSpec): ApkSpec => ({ ...spec, signers: [signer] })
const builds = new WeakMap<ApkSpec, { readonly bytes: Buffer; readonly text: string }>()

function built(spec: ApkSpec): { readonly bytes: Buffer; readonly text: string } {
  const known = builds.get(spec)
  if (known) return known
  const whole = signed(spec)
  const bytes = buildApk(whole)
  const made = { bytes, text: indexRecord(whole, bytes.length) }
  builds.set(spec, made)
  return made
}

/** What the index says of a package. */
export function recordOf(spec: ApkSpec): IndexRecord {
  return parseIndexRecords(built(spec).text)[0]!
}

export interface PlinthResult {
  readonly tree: Tree
  readonly listing: Listing
  /** a file's content */
  text(path: string): string
  readonly events: readonly Event[]
  /** Writes it all below a directory, as root. */
  extract(directory: string): Promise<void>
}

/** Installs with plinth. */
export async function installWithPlinth(
  spec: SystemSpec,
  options: { readonly store?: Store; readonly executor?: Executor } = {},
): Promise<PlinthResult> {
  const store = options.store ?? (await scratchStore())
  const keys = trusting(signer)
  const packages = await Promise.all(
    spec.packages.map(async (one) => {
      const record = recordOf(one)
      const tag = spec.tags?.[record.name]
      if (record.installedSize === 0) return { record, tag, apk: undefined }
      const { digest } = await store.put([built(one).bytes])
      const trust = { name: record.name, keys, identity: record.checksum }
      return { record, tag, apk: await unpackApk(digest, trust, store) }
    }),
  )
  const system: ApkSystem = {
    architecture: spec.arch ?? hostArch!,
    packages,
    world: spec.world ?? packages.map(({ record }) => record.name),
    repositories: spec.repositories ?? [],
    keys: spec.keys ?? {},
    epoch,
    scripts: spec.scripts ?? 'off',
  }
  const events: Event[] = []
  const emit = (event: Event) => void events.push(event)
  const executor =
    options.executor ??
    nativeExecutor({ store, emit, uid: process.getuid!(), path: process.env['PATH'] ?? '' })
  const { signal } = new AbortController()
  const tree = await installApks(system, { store, executor, emit, signal })
  const files = await readFiles(tree, store)
  const text = (at: string) => files.get(at)!.toString('latin1')
  const extract = async (directory: string) => {
    using contents = contentReader(store)
    const archive = await gathered(writeTar(sortedEntries(withOrderedLinks(tree)), contents))
    const flags = ['--extract', '--file=-', '--numeric-owner', '--xattrs', '--xattrs-include=*']
    const { status, stderr } = spawnSync('tar', [...flags, `--directory=${directory}`], {
      input: archive,
    })
    if (status !== 0) throw new Error(stderr.toString())
  }
  return { tree, listing: await listTree(tree, store), text, events, extract }
}

/** Installs with the real apk: its status and what it said besides. */
export async function installWithApk(spec: SystemSpec): Promise<
  Pick<PlinthResult, 'tree' | 'listing' | 'text'> & {
    readonly status: number
    readonly output: string
  }
> {
  const apk = await realApk([signer])
  const home = scratchDirectory()
  const repository = (tag: string) => path.join(home, `repository-${tag}`)
  const tags = [...new Set(spec.packages.map((one) => spec.tags?.[one.name ?? 'demo'] ?? ''))]
  for (const tag of tags) {
    const directory = path.join(repository(tag), spec.arch ?? hostArch!)
    mkdirSync(directory, { recursive: true })
    const here = spec.packages.filter((one) => (spec.tags?.[one.name ?? 'demo'] ?? '') === tag)
    for (const one of here) {
      const { name, version, architecture } = recordOf(one)
      // apk looks where the index says it is from, also for noarch
      const place = path.join(repository(tag), architecture)
      mkdirSync(place, { recursive: true })
      writeFileSync(path.join(place, `${name}-${version}.apk`), built(one).bytes)
    }
    const text = here.map((one) => built(one).text).join('')
    writeFileSync(path.join(directory, 'APKINDEX.tar.gz'), buildIndex({ text, signers: [signer] }))
  }
  const root = path.join(home, 'root')
  mkdirSync(root)
  const seed = (at: string, text: string) => {
    mkdirSync(path.join(root, path.dirname(at)), { recursive: true })
    writeFileSync(path.join(root, at), text)
  }
  for (const [name, pem] of Object.entries(spec.keys ?? {})) seed(`etc/apk/keys/${name}`, pem)
  if (spec.repositories) seed('etc/apk/repositories', `${spec.repositories.join('\n')}\n`)
  const list = path.join(home, 'repositories')
  writeFileSync(list, tags.map((tag) => `${tag && `@${tag} `}${repository(tag)}\n`).join(''))
  const options = ['--repositories-file', list, '--no-network', '--arch', spec.arch ?? hostArch!]
  options.push('--root', root, '--initdb')
  if (spec.scripts !== 'run') options.push('--no-scripts')
  const names = spec.world ?? spec.packages.map((one) => one.name ?? 'demo')
  const { status, output } = apk.isolated(...options, 'add', ...names)
  const tree = await readRoot(root)
  const text = (at: string) => bytesAt(tree, at).toString('latin1')
  return { tree, listing: await listTree(tree, await scratchStore()), text, status, output }
}

/**
 * A listing as the two sides have in common: without devices, which images do not hold, and with the time of
 * what was made meanwhile (by apk, by scripts, by plinth) as `made`.
 */
export function comparable({ tree }: Listing): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(tree)
      .filter(([at]) => !at.startsWith('dev/'))
      .map(([at, text]) => [
        at,
        text.replace(/ (\d+) (?=[0-9a-f]{40}$)/, (all, time) =>
          Number(time) >= started || Number(time) === epoch ? ' made ' : all,
        ),
      ]),
  )
}

const started = Math.floor(Date.now() / 1000) - 5

async function readFiles(tree: Tree, store: Store): Promise<ReadonlyMap<string, Buffer>> {
  using contents = contentReader(store)
  const files = new Map<string, Buffer>()
  for (const entry of tree.values())
    if (entry.type === 'file')
      files.set(entry.path, Buffer.from(await contents.bytes(entry.content, entry.size)))
  return files
}

/** A plinth tree as lines. */
export async function listTree(tree: Tree, store: Store): Promise<Listing> {
  using contents = contentReader(store)
  const lines: Record<string, string> = {}
  const texts: Record<string, string> = {}
  for (const entry of withOrderedLinks(tree).values()) {
    const { path: at } = entry
    if (entry.type === 'hardlink') {
      lines[at] = `== ${entry.target}`
      continue
    }
    const bytes =
      entry.type === 'file'
        ? Buffer.from(await contents.bytes(entry.content, entry.size))
        : undefined
    lines[at] = line(entry, bytes)
    if (bytes !== undefined && ownFiles.includes(at)) texts[at] = bytes.toString('latin1')
  }
  return { tree: lines, texts }
}

function line(entry: Entry, bytes: Buffer | undefined): string {
  const { type, mode, uid, gid, mtime, xattrs } = entry
  if (type === 'symlink') return `symlink ${uid}:${gid} -> ${entry.target}`
  const attributes = [...(xattrs ?? [])].map(
    ([name, value]) => ` ${name}=${Buffer.from(value).toString('hex')}`,
  )
  const head = `${type} ${mode.toString(8)} ${uid}:${gid}${attributes.toSorted().join('')}`
  if (bytes === undefined) return head
  return `${head} ${mtime} ${createHash('sha1').update(bytes).digest('hex')}`
}

/** A directory as a tree. */
async function readRoot(root: string): Promise<Tree> {
  const flags = [
    '--format=posix',
    '--numeric-owner',
    '--sort=name',
    '--xattrs',
    '--xattrs-include=*',
  ]
  const { stdout, status, stderr } = spawnSync(
    'tar',
    [...flags, '--create', '--file=-', `--directory=${root}`, '.'],
    { maxBuffer: 1 << 30 },
  )
  if (status !== 0) throw new Error(stderr.toString())
  return readTree(chunked(stdout, 1 << 20), root)
}
