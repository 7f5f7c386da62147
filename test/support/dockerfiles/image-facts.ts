import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { gunzipSync } from 'node:zlib'
import { treePath } from '../../../src/archive/path.ts'
import { readTar, type TarMember } from '../../../src/archive/tar-read.ts'
import { contextTime } from './fixtures.ts'

/** What can be compared of an image, whoever made it. */
export interface ImageFacts {
  /** `config` of the image, without what is empty */
  readonly config: Readonly<Record<string, unknown>>
  /** `author`, where there is one */
  readonly author?: string
  readonly history: readonly HistoryFact[]
  /** one listing a layer, lowest first */
  readonly layers: readonly Listing[]
}

export interface HistoryFact {
  readonly createdBy: string
  readonly empty: boolean
}

/**
 * What a layer has by path: `file 0644 0:0 5 3f2a… kept`, `whiteout`, `symlink 0:0 -> target`. `kept` is the
 * modification time of what stands in a context. Of hard links to one file the first by name is the file.
 */
export type Listing = Readonly<Record<string, string>>

/** The image that cases build on: what an image made on it begins with. */
export interface BaseImage {
  readonly diffIds: readonly string[]
  /** how many entries its history has */
  readonly history: number
  readonly tree: Listing
}

/** An archive of `docker save`, or plinth's, which is one too, as what it begins with. */
export async function readBaseImage(archive: string): Promise<BaseImage> {
  const { image, layers } = await openArchive(archive)
  if (layers.length !== 1) throw new Error(`${archive} has ${layers.length} layers, not one`)
  const tree = await listLayer(layers[0]!.bytes, archive)
  return { diffIds: image.rootfs.diff_ids ?? [], history: image.history?.length ?? 0, tree }
}

/** Reads such an archive; where the image begins with the base, the base's layers and history are left out. */
export async function readImageFacts(archive: string, base: BaseImage): Promise<ImageFacts> {
  const { image, layers } = await openArchive(archive)
  const isDerived = base.diffIds.every((id, at) => image.rootfs.diff_ids?.[at] === id)
  const skipped = isDerived ? { layers: base.diffIds.length, history: base.history } : undefined
  const listings: Listing[] = []
  for (const { name, bytes } of layers.slice(skipped?.layers))
    listings.push(await listLayer(bytes, name))
  return {
    config: runConfig(image.config ?? {}),
    ...(image.author !== undefined && image.author !== '' && { author: image.author }),
    history: (image.history ?? []).slice(skipped?.history).map((entry) => ({
      createdBy: entry.created_by ?? '',
      empty: entry.empty_layer ?? false,
    })),
    layers: listings,
  }
}

interface OpenArchive {
  readonly image: Config
  readonly layers: readonly { readonly name: string; readonly bytes: Buffer }[]
}

async function openArchive(archive: string): Promise<OpenArchive> {
  const files = new Map<string, Buffer>()
  const links = new Map<string, string>()
  for await (const member of readTar(
    createReadStream(archive, { highWaterMark: 1 << 20 }),
    archive,
  )) {
    const name = treePath(member.name, archive)
    if (member.type === 'file') files.set(name, await bytesOf(member))
    // docker save links layers that several images of an archive share
    else if (member.type === 'symlink')
      links.set(
        name,
        treePath(new URL(member.linkname, `file:///${name}`).pathname.slice(1), archive),
      )
  }
  const at = (name: string): Buffer => {
    const bytes = files.get(links.get(name) ?? name)
    if (bytes === undefined) throw new Error(`${archive} has no ${name}`)
    return bytes
  }
  const [manifest] = JSON.parse(at('manifest.json').toString()) as Manifest[]
  const image = JSON.parse(at(manifest!.Config).toString()) as Config
  return { image, layers: (manifest!.Layers ?? []).map((name) => ({ name, bytes: at(name) })) }
}

interface Manifest {
  readonly Config: string
  /** null where there are none */
  readonly Layers: readonly string[] | null
}

interface Config {
  readonly author?: string
  /** null where there are no layers */
  readonly rootfs: { readonly diff_ids: readonly string[] | null }
  readonly config?: Record<string, unknown>
  readonly history?: readonly { readonly created_by?: string; readonly empty_layer?: boolean }[]
}

async function bytesOf(member: TarMember): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of member.body()) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

/** The fields of an image's `config` that say how to run it (OCI image-spec, config.md; Docker image spec 1.2). */
const configFields: ReadonlySet<string> = new Set([
  'Cmd',
  'Entrypoint',
  'Env',
  'ExposedPorts',
  'Healthcheck',
  'Labels',
  'OnBuild',
  'Shell',
  'StopSignal',
  'User',
  'Volumes',
  'WorkingDir',
])

/**
 * Those of them that are set. Engines write what is not as null, empty, or not at all, and leave more beside
 * them: what the container was that the classic builder ran, what only Windows reads (ArgsEscaped).
 */
export function runConfig(config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const isSet = (value: unknown): boolean =>
    value !== null && value !== '' && (typeof value !== 'object' || Object.keys(value).length > 0)
  const fields = Object.entries(config)
    .filter(([name, value]) => configFields.has(name) && isSet(value))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(fields)
}

async function listLayer(blob: Buffer, name: string): Promise<Listing> {
  const tar = blob[0] === 0x1f && blob[1] === 0x8b ? gunzipSync(blob) : blob
  const listing = new Map<string, string>()
  const hardlinks = new Map<string, string[]>()
  for await (const member of readTar(Readable.from([tar]), name)) {
    const at = treePath(member.name, name)
    if (listing.has(at)) throw new Error(`${name} has ${at} twice`)
    if (member.type === 'hardlink') {
      const target = treePath(member.linkname, name)
      hardlinks.set(target, [...(hardlinks.get(target) ?? [target]), at])
      // an archive of an overlay may list the other name first
      if (!listing.has(target))
        throw new Error(`${name}: ${at} links to ${target}, which comes later`)
    } else if (at !== '') listing.set(at, await describe(member, at))
  }
  for (const names of hardlinks.values()) {
    const description = listing.get(names[0]!)!
    const [first, ...others] = names.toSorted()
    listing.set(first!, description)
    for (const other of others) listing.set(other, `hardlink => ${first!}`)
  }
  return Object.fromEntries([...listing].toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

async function describe(member: TarMember, at: string): Promise<string> {
  const base = at.slice(at.lastIndexOf('/') + 1)
  if (base === '.wh..wh..opq') return 'opaque'
  if (base.startsWith('.wh.')) return 'whiteout'
  const mode = member.mode.toString(8).padStart(4, '0')
  const parts = [member.type, mode, `${member.uid}:${member.gid}`]
  if (member.type === 'symlink') parts.splice(1, 1)
  if (member.type === 'file') {
    const bytes = await bytesOf(member)
    const digest = createHash('sha256').update(bytes).digest('hex').slice(0, 8)
    const isText = bytes.length <= 60 && /^[\t\n -~]*$/.test(bytes.toString('latin1'))
    parts.push(isText ? JSON.stringify(bytes.toString()) : `${bytes.length} ${digest}`)
  }
  if (member.type === 'symlink') parts.push('->', member.linkname)
  if (member.type === 'character' || member.type === 'block')
    parts.push(`${member.major},${member.minor}`)
  for (const [key, value] of [...(member.xattrs ?? [])].toSorted())
    parts.push(`${key}=${Buffer.from(value).toString('hex')}`)
  if (member.mtime === contextTime) parts.push('kept')
  return parts.join(' ')
}
