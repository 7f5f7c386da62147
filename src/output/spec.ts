import type { Writable } from 'node:stream'
import { PlinthError } from '../errors.ts'
import type { Output } from '../ports.ts'
import { archive } from './archive.ts'
import { directory } from './directory.ts'
import { ociLayout } from './oci-layout.ts'
import { rootfsTar } from './rootfs-tar.ts'

/** Where an image is to go, as `-o` says it. `dest` is `-` for standard output. */
export type OutputSpec =
  | { readonly type: 'archive'; readonly dest: string }
  | { readonly type: 'oci'; readonly dest: string }
  | { readonly type: 'rootfs'; readonly dest: string; readonly compression: 'none' | 'gzip' }
  | { readonly type: 'dir'; readonly dest: string }

/**
 * Parses what follows `-o`: a path (`image.tar`, `layout/`, `-`) or fields as CSV
 * (`type=rootfs,dest=rootfs.tar.gz`, `"dest=a,b.tar"`). Throws `OUTPUT_INVALID` with the known forms.
 */
export function parseOutput(text: string): OutputSpec {
  const fields = splitCsv(text)
  return fields.some((field) => field.includes('=')) ? fromFields(text, fields) : fromPath(text)
}

/** The output of a spec. `stdout` is what `-` means. */
export function openOutput(spec: OutputSpec, deps: { readonly stdout: Writable }): Output {
  switch (spec.type) {
    case 'archive':
      return archive(spec.dest === '-' ? deps.stdout : spec.dest)
    case 'rootfs':
      return rootfsTar(spec.dest === '-' ? deps.stdout : spec.dest, spec)
    case 'oci':
      return ociLayout(spec.dest)
    case 'dir':
      return directory(spec.dest)
  }
}

const forms =
  'write image.tar (for every loader), layout/ (an OCI layout), or type=docker|oci|rootfs|dir,dest=PATH[,compression=gzip|none]'

function fromPath(path: string): OutputSpec {
  if (path === '-' || path.endsWith('.tar')) return { type: 'archive', dest: path }
  if (path.endsWith('/')) return { type: 'oci', dest: path.replace(/(?<=.)\/+$/, '') }
  if (/\.(?:tar\.gz|tgz)$/.test(path)) {
    throw invalid(
      path,
      "an image's layers are compressed inside its archive",
      'write image.tar, or type=rootfs,dest=rootfs.tar.gz for a root filesystem',
    )
  }
  throw invalid(path, path === '' ? 'it is empty' : 'its form does not follow from its name', forms)
}

function fromFields(text: string, given: readonly string[]): OutputSpec {
  const fields = new Map<string, string>()
  for (const field of given) {
    const equals = field.indexOf('=')
    const [key, value] =
      equals < 0 ? [field, 'true'] : [field.slice(0, equals), field.slice(equals + 1)]
    if (!['type', 'dest', 'compression', 'tar'].includes(key))
      throw invalid(text, `'${key}' is not known`, forms)
    if (fields.has(key)) throw invalid(text, `'${key}' is there twice`, forms)
    fields.set(key, value)
  }
  const type = fields.get('type')
  const dest = fields.get('dest')
  const compression = fields.get('compression')
  if (dest === undefined || dest === '') throw invalid(text, 'dest is missing', forms)
  if (fields.has('tar') && type !== 'oci') throw invalid(text, "'tar' belongs to type=oci", forms)
  if (compression !== undefined && type !== 'rootfs') {
    throw invalid(
      text,
      "'compression' belongs to type=rootfs: layers keep the one they were made with",
      forms,
    )
  }
  const asTar = fields.get('tar') ?? String(dest === '-' || dest.endsWith('.tar'))
  if (asTar !== 'true' && asTar !== 'false')
    throw invalid(text, `tar=${asTar} is neither true nor false`, forms)
  switch (type) {
    case undefined:
      return fromPath(dest)
    case 'docker':
      return { type: 'archive', dest }
    case 'oci':
      if (dest === '-' && asTar === 'false') throw toStdout(text)
      return { type: asTar === 'true' ? 'archive' : 'oci', dest }
    case 'rootfs':
      return { type, dest, compression: rootfsCompression(text, dest, compression) }
    case 'dir':
      if (dest === '-') throw toStdout(text)
      return { type, dest }
    default:
      throw invalid(text, `type '${type}' is not known`, forms)
  }
}

function rootfsCompression(text: string, dest: string, given: string | undefined): 'none' | 'gzip' {
  if (given === undefined) return /\.(?:gz|tgz)$/.test(dest) ? 'gzip' : 'none'
  if (given === 'none' || given === 'gzip') return given
  throw invalid(
    text,
    `compression '${given}' is not known`,
    'write compression=gzip or compression=none',
  )
}

/** Fields of one CSV line (RFC 4180): a quoted field may hold commas, and quotes doubled. */
function splitCsv(text: string): string[] {
  const fields: string[] = []
  const field = /("(?:[^"]|"")*"|[^",]*)(,|$)/y
  for (;;) {
    const match = field.exec(text)
    if (match === null)
      throw invalid(
        text,
        'its quotes are not closed',
        'double a quote inside a quoted field: "dest=a""b.tar"',
      )
    const raw = match[1] ?? ''
    fields.push(raw.startsWith('"') ? raw.slice(1, -1).replaceAll('""', '"') : raw)
    if (match[2] === '') return fields
  }
}

function invalid(text: string, why: string, hint: string): PlinthError {
  return new PlinthError('OUTPUT_INVALID', `cannot use the output '${text}': ${why}`, { hint })
}

function toStdout(text: string): PlinthError {
  return invalid(
    text,
    'a directory cannot go to standard output',
    'write dest=DIR, or type=docker,dest=-',
  )
}
