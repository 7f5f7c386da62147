import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sha256 } from '../digest.ts'
import type { Store } from '../ports.ts'
import { storeFailure } from './failure.ts'
import { processOwner } from './owner.ts'

/**
 * What was worked out once and may be used again: JSON under `cache/<kind>/<key>`, with its own digest in
 * the first line. A record is only ever a shortcut: a damaged or missing one reads as undefined.
 */
export async function readRecord<T>(
  store: Store,
  kind: string,
  key: string,
): Promise<T | undefined> {
  const text = await readFile(join(store.root, 'cache', kind, key), 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const newline = text.indexOf('\n')
  const body = text.slice(newline + 1)
  if (text.slice(0, newline) !== sha256(body)) return undefined
  try {
    return JSON.parse(body) as T
  } catch {
    return undefined
  }
}

let counter = 0

/** Keeps a record, atomically. Throws `DISK_FULL` or `IO`. */
export async function writeRecord(
  store: Store,
  kind: string,
  key: string,
  value: unknown,
): Promise<void> {
  const body = JSON.stringify(value)
  const directory = await store.directory(join('cache', kind))
  const temporary = join(await store.directory('tmp'), `${processOwner()}.record${counter++}`)
  try {
    await writeFile(temporary, `${sha256(body)}\n${body}`)
    await rename(temporary, join(directory, key))
  } catch (error) {
    await rm(temporary, { force: true })
    throw storeFailure(error, `write to the store ${store.root}`)
  }
}
