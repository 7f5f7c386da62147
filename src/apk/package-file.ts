import { createHash } from 'node:crypto'
import { decompress } from '../archive/decompress.ts'
import { printable } from '../archive/path.ts'
import type { TarMember } from '../archive/tar-read.ts'
import { PlinthError } from '../errors.ts'
import { q1 } from './checksum.ts'
import { GzipMembers } from './gzip-members.ts'
import { parsePkginfo, type PackageInfo } from './pkginfo.ts'
import { SignatureCheck, type ApkKeys } from './signature.ts'
import { openSignedTar, type SignedTar } from './signed-tar.ts'

/** The scripts a package may bring (apk-package(5)), as its control part calls them after the dot. */
const scriptTypes = [
  'pre-install',
  'post-install',
  'pre-upgrade',
  'post-upgrade',
  'pre-deinstall',
  'post-deinstall',
  'trigger',
] as const
export type ScriptType = (typeof scriptTypes)[number]

export interface PackageScript {
  readonly type: ScriptType
  readonly bytes: Uint8Array
}

/** A package whose control part proved good, its data not read yet. */
export interface OpenApk extends AsyncDisposable {
  readonly info: PackageInfo
  /** digest of the control part, which is what an index knows the package by: `Q1…` */
  readonly identity: string
  /** in the order the package has them */
  readonly scripts: readonly PackageScript[]
  /** file name of the trusted key that signed the package itself, if one did */
  readonly signer: string | undefined
  /**
   * The uncompressed data part, to be read once. Nothing in it is trusted before it ended without
   * `DIGEST_MISMATCH`, `ARCHIVE_INVALID` or `DECOMPRESSION_BOMB`.
   */
  data(): AsyncIterable<Uint8Array>
  /** Reads the data part, instead of `data`, to verify it and nothing else: `DIGEST_MISMATCH`. */
  verifyData(): Promise<void>
}

export interface OpenApkOptions {
  /** what messages call it */
  readonly name: string
  readonly keys: ApkKeys
  /**
   * What a verified index says the package is (`Q1…`). It then stands for a signature: the package's own may
   * be missing or of an unknown key, only not wrong.
   */
  readonly identity?: string | undefined
  /** most bytes that the data may come to */
  readonly maxSize: number
}

/** The largest control part kept in memory; real ones are below 1 MiB. */
const maxControl = 64 * 1024 * 1024

/**
 * Opens an `.apk` of format v2 (apk-v2(5)): signature, control part and data, each gzip of its own. Verifies
 * the control part by `identity` and the signatures, in that order.
 *
 * Throws `DIGEST_MISMATCH` when it is another package than the index says, `SIGNATURE_MISSING`, `KEY_UNKNOWN`
 * and `SIGNATURE_INVALID` as `SignatureCheck` does, `CONTROL_INVALID` for a control part apk could not use,
 * `ARCHIVE_INVALID` for what is damaged, cut short or of another format (ADB, of apk v3, by its name).
 */
export async function openApk(
  chunks: AsyncIterable<Uint8Array>,
  options: OpenApkOptions,
): Promise<OpenApk> {
  const gzip = new GzipMembers(chunks, options.name)
  try {
    return await openControl(gzip, options)
  } catch (error) {
    await gzip.close()
    throw error
  }
}

async function openControl(gzip: GzipMembers, options: OpenApkOptions): Promise<OpenApk> {
  const { name, keys } = options
  const control = await openSignedTar(gzip, name, { extent: 'member', maxSize: maxControl })
  const check = new SignatureCheck(control.signatures, keys, name)
  const sha1 = createHash('sha1')
  control.onCompressed((compressed) => {
    sha1.update(compressed)
    check.update(compressed)
  })
  const files = await readControl(control, name)
  const identity = q1(sha1.digest())
  if (options.identity !== undefined && options.identity !== identity) {
    throw new PlinthError(
      'DIGEST_MISMATCH',
      `cannot use ${name}: its control part is ${identity}, and the index says ${options.identity}`,
      {
        hint: 'the index and the package do not belong together: the mirror is changing, or was changed',
        facts: { name, expected: options.identity, got: identity },
      },
    )
  }
  const signer = options.identity === undefined || check.hasTrusted ? check.finish() : undefined
  if (files.info === undefined)
    throw new PlinthError('CONTROL_INVALID', `cannot use ${name}: it has no .PKGINFO`)
  const info = parsePkginfo(files.info, name)
  return {
    info,
    identity,
    scripts: files.scripts,
    signer,
    data: () => readData(gzip, info.dataHash, options),
    verifyData: () => verifyData(gzip, info.dataHash, name),
    [Symbol.asyncDispose]: () => gzip.close(),
  }
}

async function readControl(
  control: SignedTar,
  name: string,
): Promise<{ readonly info: string | undefined; readonly scripts: readonly PackageScript[] }> {
  let info: string | undefined
  const scripts: PackageScript[] = []
  const seen = new Set<string>()
  for await (const member of control.members) {
    const path = member.name
    const refused = (why: string) =>
      new PlinthError('CONTROL_INVALID', `cannot use ${name}: its control part ${why}`, {
        hint: 'the package is malformed: report it to its publisher',
        facts: { path },
      })
    // the same rule tells apk where data begins
    if (!path.startsWith('.') || path.includes('/') || member.type !== 'file')
      throw refused(`holds '${printable(path)}', a ${member.type}`)
    if (seen.has(path)) throw refused(`has '${printable(path)}' twice`)
    seen.add(path)
    const type = scriptTypes.find((known) => path === `.${known}`)
    if (path === '.PKGINFO') info = (await body(member)).toString('utf8')
    else if (type !== undefined) scripts.push({ type, bytes: await body(member) })
  }
  return { info, scripts }
}

async function body(member: TarMember): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of member.body()) parts.push(part)
  return Buffer.concat(parts)
}

/** Everything after the control part is data, and its digest is over the compressed bytes. */
async function* readData(
  gzip: GzipMembers,
  dataHash: string,
  { name, maxSize }: OpenApkOptions,
): AsyncGenerator<Uint8Array> {
  const sha256 = createHash('sha256')
  async function* compressed(): AsyncGenerator<Uint8Array> {
    for await (const chunk of gzip.rest()) {
      sha256.update(chunk)
      yield chunk
    }
  }
  yield* decompress('gzip', compressed(), { name, maxSize })
  // whatever the decoder left as padding is hashed too
  for await (const chunk of gzip.rest()) sha256.update(chunk)
  checkData(sha256.digest('hex'), dataHash, name)
}

async function verifyData(gzip: GzipMembers, dataHash: string, name: string): Promise<void> {
  const sha256 = createHash('sha256')
  for await (const chunk of gzip.rest()) sha256.update(chunk)
  checkData(sha256.digest('hex'), dataHash, name)
}

function checkData(got: string, dataHash: string, name: string): void {
  if (got === dataHash) return
  throw new PlinthError(
    'DIGEST_MISMATCH',
    `cannot use ${name}: its data is sha256:${got}, and its .PKGINFO says ${dataHash}`,
    {
      hint: 'it was changed on its way or by its publisher; try another mirror',
      facts: { name, expected: dataHash, got },
    },
  )
}
