import { sha256 } from '../../digest.ts'
import type { Change, Entry } from '../../entry.ts'
import type { Tree } from '../../rootfs/tree.ts'
import type { ContentReader } from '../../store/content.ts'

type FileEntry = Extract<Entry, { type: 'file' }>

/**
 * Changes of a workspace with contents referring to the packages they came from, where they are still the same:
 * what was done with those before (compressing, sending) then need not be done again.
 */
export async function withReferences(
  changes: readonly Change[],
  assembled: Tree,
  contents: ContentReader,
): Promise<readonly Change[]> {
  const result: Change[] = []
  for (const change of changes) {
    const before = assembled.get(change.path)
    const same =
      change.type === 'file' && before?.type === 'file' && (await isSame(change, before, contents))
    result.push(same ? { ...change, content: before.content } : change)
  }
  return result
}

async function isSame(after: FileEntry, before: FileEntry, contents: ContentReader) {
  if (after.size !== before.size || before.content.kind === 'bytes') return false
  const bytes = await contents.bytes(before.content, before.size)
  if (after.content.kind === 'bytes') return Buffer.compare(bytes, after.content.bytes) === 0
  return after.content.offset === 0 && sha256(bytes) === after.content.digest
}
