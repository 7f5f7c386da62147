import { createHash } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Store } from '../ports.ts'
import { storeFailure } from '../store/failure.ts'
import { processOwner } from '../store/owner.ts'

const compress = promisify(gzip)
/** Of Debian's files 4 makes 2 % more than 6, zlib's default, in 60 % of its time; 5 takes 80 %. */
const level = 4
const digestSize = 32

/** zlib's output may change with its version; what is remembered is for this one. */
const kind = `gzip-${process.versions.zlib}-${level}`
let counter = 0

/**
 * One gzip member holding `chunk`, from the store's cache when it was compressed before (unless `keepChunks` is
 * false: then the cache is left alone). The header says nothing of the machine: no time, no name, operating
 * system "unknown".
 */
export async function gzipChunk(
  chunk: Uint8Array,
  store: Store,
  { keepChunks = true }: { readonly keepChunks?: boolean | undefined } = {},
): Promise<Uint8Array> {
  if (!keepChunks) return gzipMember(chunk)
  const key = createHash('sha256').update(chunk).digest('hex')
  const path = join(await store.directory(join('cache', kind)), key)
  const known = await readFile(path).catch(() => undefined)
  if (known && isWhole(known)) return known.subarray(digestSize)
  const member = await gzipMember(chunk)
  const temporary = join(await store.directory('tmp'), `${processOwner()}.gzip${counter++}`)
  try {
    await writeFile(temporary, [createHash('sha256').update(member).digest(), member])
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw storeFailure(error, `write to the store ${store.root}`)
  }
  return member
}

function isWhole(kept: Buffer): boolean {
  const digest = createHash('sha256').update(kept.subarray(digestSize)).digest()
  return digest.equals(kept.subarray(0, digestSize))
}

async function gzipMember(chunk: Uint8Array): Promise<Uint8Array> {
  // room for all of it at once: zlib comes back to the main thread whenever its output is full
  const chunkSize = Math.max(64 * 1024, chunk.length)
  const member = await compress(chunk, { level, memLevel: 9, chunkSize })
  member[9] = 255
  return member
}
