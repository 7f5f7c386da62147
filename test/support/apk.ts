import { createHash, createSign, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { readApkKeys, type ApkKeys } from '../../src/apk/signature.ts'
import { pax, rawTar, type RawMember } from './tar.ts'

/** What stands at a path: text, bytes, or something with metadata. A path that ends with `/` is a directory. */
export type ApkFile =
  | string
  | Uint8Array
  | {
      readonly mode?: number
      readonly uid?: number
      readonly gid?: number
      readonly mtime?: number
      /** owners by name; default none */
      readonly user?: string
      readonly group?: string
      readonly xattrs?: Readonly<Record<string, string | Uint8Array>>
      readonly content?: string | Uint8Array
      readonly symlink?: string
      /** path of an earlier file */
      readonly hardlink?: string
      /** the checksum the package gives, in hex; false for none */
      readonly sha1?: string | false
    }

/** A package to build. Everything has a default: `buildApk({})` is a package called `demo` without files. */
export interface ApkSpec {
  readonly name?: string
  readonly version?: string
  readonly arch?: string
  /** further lines of .PKGINFO (`depend`, `provides`, …), lists as several; undefined leaves one of the default out */
  readonly fields?: Readonly<Record<string, string | readonly string[] | undefined>> | undefined
  /** `.PKGINFO` as it is, but for its datahash, which is added */
  readonly pkginfo?: string
  /** by type: `post-install`, `trigger`, … */
  readonly scripts?: Readonly<Record<string, string>>
  /** by path; directories above are added */
  readonly files?: Readonly<Record<string, ApkFile>>
  /** default for what has none of its own */
  readonly mtime?: number
  /** the data's tar as these members say, instead of `files` */
  readonly data?: readonly RawMember[]
  /** the data part itself, instead of `files` */
  readonly rawData?: Uint8Array
  /** what .PKGINFO says of the data, instead of what is so */
  readonly dataHash?: string
  /** further members of the control part */
  readonly control?: readonly RawMember[]
  /** who signs the package itself; default nobody */
  readonly signers?: readonly ApkSigner[]
}

/** A key, and how it signs. */
export interface ApkSigner {
  /** file name: `tests@example.org.rsa.pub` */
  readonly name: string
  readonly algorithm?: 'RSA' | 'RSA256' | 'RSA512' | 'DSA'
  readonly privateKey: KeyObject
  /** PEM */
  readonly publicKey: string
  /** the algorithm that it says it is, instead of the one it is */
  readonly label?: string
  /** what is signed, instead of what should be */
  readonly signs?: Uint8Array
}

/**
 * A package of apk v2 as abuild would build it, made in code:
 *
 *     buildApk({
 *       name: 'hello',
 *       fields: { depend: ['musl', 'so:libz.so.1'] },
 *       scripts: { 'post-install': '#!/bin/sh\n' },
 *       files: { 'usr/bin/hello': { content: '#!/bin/sh\necho hi\n', mode: 0o755 } },
 *     })
 */
export function buildApk(spec: ApkSpec): Buffer {
  const { signature, control, data } = apkParts(spec)
  return Buffer.concat([signature, control, data])
}

/** The gzip members of a package: what a forger puts together anew. */
export function apkParts(spec: ApkSpec): ApkParts {
  const known = built.get(spec)
  if (known) return known
  const parts = makeParts(spec)
  built.set(spec, parts)
  return parts
}

interface ApkParts {
  readonly signature: Buffer
  readonly control: Buffer
  readonly data: Buffer
}

const built = new WeakMap<ApkSpec, ApkParts>()

function makeParts(spec: ApkSpec): ApkParts {
  const data = Buffer.from(spec.rawData ?? gzipSync(rawTar(spec.data ?? dataMembers(spec))))
  const dataHash = spec.dataHash ?? createHash('sha256').update(data).digest('hex')
  const info = `${pkginfo(spec)}datahash = ${dataHash}\n`
  const { mtime } = spec
  const scripts = Object.entries(spec.scripts ?? {})
  const members: RawMember[] = [
    { name: '.PKGINFO', body: info, mtime },
    ...scripts.map(([type, body]) => ({ name: `.${type}`, body, mode: 0o755, mtime })),
    ...(spec.control ?? []),
  ]
  // the tars of signature and control part have no end of their own
  const control = gzipSync(rawTar(members, { end: 0 }))
  return { signature: signatureMember(control, spec.signers ?? []), control, data }
}

/** The digest that an index knows a package by. */
export function identityOf(spec: ApkSpec): string {
  return `Q1${createHash('sha1').update(apkParts(spec).control).digest('base64')}`
}

function pkginfo(spec: ApkSpec): string {
  if (spec.pkginfo !== undefined) return spec.pkginfo
  const fields: Record<string, string | readonly string[] | undefined> = {
    pkgname: spec.name ?? 'demo',
    pkgver: spec.version ?? '1.0-r0',
    pkgdesc: `package ${spec.name ?? 'demo'} of a test`,
    url: 'https://example.org/',
    builddate: '1700000000',
    packager: 'Plinth Tests <tests@example.org>',
    size: String(installedSize(spec)),
    arch: spec.arch ?? 'noarch',
    license: 'MIT',
    ...spec.fields,
  }
  const lines = Object.entries(fields).flatMap(([key, value]) =>
    (value === undefined ? [] : typeof value === 'string' ? [value] : value).map(
      (one) => `${key} = ${one}\n`,
    ),
  )
  return `# made by a test\n${lines.join('')}`
}

function installedSize(spec: ApkSpec): number {
  const sizes = Object.values(spec.files ?? {}).map((file) => contentOf(file)?.length ?? 0)
  // apk takes a package of size 0 for one without files
  return Math.max(
    4096,
    sizes.reduce((total, size) => total + size, 0),
  )
}

function contentOf(file: ApkFile): Buffer | undefined {
  if (typeof file === 'string' || file instanceof Uint8Array) return Buffer.from(file)
  return file.symlink === undefined && file.hardlink === undefined
    ? Buffer.from(file.content ?? '')
    : undefined
}

function dataMembers(spec: ApkSpec): RawMember[] {
  const members: RawMember[] = []
  const directories = new Set<string>()
  const { mtime } = spec
  for (const [path, file] of Object.entries(spec.files ?? {})) {
    for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1)) {
      const name = path.slice(0, at + 1)
      if (directories.has(name) || name === path) continue
      directories.add(name)
      members.push({ name, mtime, format: 'ustar' })
    }
    if (path.endsWith('/')) directories.add(path)
    members.push(...fileMembers(path, file, mtime))
  }
  return members
}

function fileMembers(path: string, file: ApkFile, mtime: number | undefined): RawMember[] {
  const more = typeof file === 'string' || file instanceof Uint8Array ? {} : file
  const content = contentOf(file)
  const digested = more.symlink ?? content
  const records: Record<string, string | Uint8Array> = {}
  for (const [key, value] of Object.entries(more.xattrs ?? {})) {
    records[`SCHILY.xattr.${key}`] = value
  }
  if (more.sha1 !== false && digested !== undefined && !path.endsWith('/')) {
    const sha1 = more.sha1 ?? createHash('sha1').update(digested).digest('hex')
    records['APK-TOOLS.checksum.SHA1'] = sha1
  }
  if (path.length > 100) records['path'] = path
  const kind: Partial<RawMember> =
    content === undefined
      ? more.symlink === undefined
        ? { type: '1', linkname: more.hardlink }
        : { type: '2', linkname: more.symlink, mode: 0o777 }
      : { body: content }
  const { mode, uid, gid, user = '', group = '' } = more
  const member: RawMember = {
    name: path,
    uid,
    gid,
    mtime: more.mtime ?? mtime,
    format: 'ustar',
    ...kind,
    mode: mode ?? kind.mode,
    touch: (header) => {
      header.write(user, 265, 32, 'utf8')
      header.write(group, 297, 32, 'utf8')
    },
  }
  return Object.keys(records).length === 0 ? [member] : [pax(records), member]
}

/** A signature member over `signed`; empty when nobody signs. */
export function signatureMember(signed: Uint8Array, signers: readonly ApkSigner[]): Buffer {
  if (signers.length === 0) return Buffer.alloc(0)
  const members = signers.map((signer): RawMember => {
    const algorithm = signer.algorithm ?? 'RSA'
    const hash = { RSA: 'SHA1', RSA256: 'SHA256', RSA512: 'SHA512', DSA: 'SHA1' }[algorithm]
    const body = createSign(hash)
      .update(signer.signs ?? signed)
      .sign(signer.privateKey)
    return { name: `.SIGN.${signer.label ?? algorithm}.${signer.name}`, body }
  })
  return gzipSync(rawTar(members, { end: 0 }))
}

/** A package's record in an index, made of its specification and its file. */
export function indexRecord(spec: ApkSpec, size = buildApk(spec).length): string {
  const fields = spec.fields ?? {}
  const line = (letter: string, value: string | readonly string[] | undefined): string => {
    const text = typeof value === 'object' ? value.join(' ') || undefined : value
    return text === undefined ? '' : `${letter}:${text}\n`
  }
  return [
    line('C', identityOf(spec)),
    line('P', spec.name ?? 'demo'),
    line('V', spec.version ?? '1.0-r0'),
    line('A', spec.arch ?? 'noarch'),
    line('S', String(size)),
    line('I', fields['size'] ?? String(installedSize(spec))),
    line('T', fields['pkgdesc'] ?? `package ${spec.name ?? 'demo'} of a test`),
    line('U', fields['url'] ?? 'https://example.org/'),
    line('L', fields['license'] ?? 'MIT'),
    line('o', fields['origin']),
    line('m', fields['maintainer']),
    line('t', fields['builddate'] ?? '1700000000'),
    line('c', fields['commit']),
    line('k', fields['provider_priority']),
    line('D', fields['depend']),
    line('p', fields['provides']),
    line('i', fields['install_if']),
    '\n',
  ].join('')
}

/** An index to build: records as text, or packages. */
export interface IndexSpec {
  readonly packages?: readonly ApkSpec[]
  /** the records, instead of those of `packages` */
  readonly text?: string
  readonly description?: string
  readonly signers?: readonly ApkSigner[]
  /** the archive's members, instead of DESCRIPTION and APKINDEX */
  readonly members?: readonly RawMember[]
}

/** A signed `APKINDEX.tar.gz`. */
export function buildIndex(spec: IndexSpec): Buffer {
  const { signature, content } = indexParts(spec)
  return Buffer.concat([signature, content])
}

/** The gzip members of an index. */
export function indexParts(spec: IndexSpec): { signature: Buffer; content: Buffer } {
  const text = spec.text ?? (spec.packages ?? []).map((one) => indexRecord(one)).join('')
  const content = gzipSync(
    rawTar(
      spec.members ?? [
        { name: 'DESCRIPTION', body: spec.description ?? 'v1.0-0-gtest' },
        { name: 'APKINDEX', body: text },
      ],
    ),
  )
  return { signature: signatureMember(content, spec.signers ?? []), content }
}

const made = new Map<string, ApkSigner>()

/** A throw-away key under this file name; the same name gives the same key within a test file. */
export function testSigner(name: string, options: { readonly bits?: number } = {}): ApkSigner {
  const known = made.get(name)
  if (known) return known
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: options.bits ?? 2048,
  })
  const pem = publicKey.export({ type: 'spki', format: 'pem' }) as string
  const signer: ApkSigner = { name, privateKey, publicKey: pem }
  made.set(name, signer)
  return signer
}

/** What trusts these. */
export function trusting(...signers: readonly ApkSigner[]): ApkKeys {
  return readApkKeys(Object.fromEntries(signers.map(({ name, publicKey }) => [name, publicKey])))
}
