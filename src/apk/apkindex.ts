import { PlinthError } from '../errors.ts'
import { GzipMembers } from './gzip-members.ts'
import { SignatureCheck, type ApkKeys } from './signature.ts'
import { openSignedTar } from './signed-tar.ts'

/** An index of a repository whose signature was good. */
export interface VerifiedIndex {
  /** the records, as the index has them; lines may be of any length */
  readonly text: string
  /** what the repository calls itself, often a version; empty when it says nothing */
  readonly description: string
  /** file name of the trusted key that signed it */
  readonly signer: string
}

/** The largest of the big distributions is a quarter of this, and a string cannot hold much more. */
const maxIndex = 384 * 1024 * 1024

/**
 * Reads an `APKINDEX.tar.gz` (apk-v2(5)): the signature is over all the bytes after it, and nothing of them is
 * given out before it proved good. `name` says which index it is.
 *
 * Throws `SIGNATURE_MISSING`, `KEY_UNKNOWN`, `SIGNATURE_INVALID`; `ARCHIVE_INVALID` for what is damaged, cut
 * short or of another format (ADB, of apk v3, by its name), `INDEX_INVALID` for an archive without an index.
 */
export async function readApkIndex(
  chunks: AsyncIterable<Uint8Array>,
  options: { readonly name: string; readonly keys: ApkKeys },
): Promise<VerifiedIndex> {
  const { name, keys } = options
  const gzip = new GzipMembers(chunks, name)
  try {
    const archive = await openSignedTar(gzip, name, { extent: 'rest', maxSize: maxIndex })
    const check = new SignatureCheck(archive.signatures, keys, name)
    archive.onCompressed((compressed) => check.update(compressed))
    const files = new Map<string, Buffer>()
    for await (const member of archive.members) {
      if (member.name !== 'APKINDEX' && member.name !== 'DESCRIPTION') continue
      if (member.type !== 'file') throw invalid(name, `its ${member.name} is a ${member.type}`)
      if (files.has(member.name)) throw invalid(name, `it has ${member.name} twice`)
      const parts: Buffer[] = []
      for await (const part of member.body()) parts.push(part)
      files.set(member.name, Buffer.concat(parts))
    }
    const signer = check.finish()
    const index = files.get('APKINDEX')
    if (index === undefined) throw invalid(name, 'it holds no APKINDEX')
    return {
      text: index.toString('utf8'),
      description: files.get('DESCRIPTION')?.toString('utf8').trimEnd() ?? '',
      signer,
    }
  } finally {
    await gzip.close()
  }
}

function invalid(name: string, why: string): PlinthError {
  return new PlinthError('INDEX_INVALID', `cannot use ${name}: ${why}`, {
    hint: 'the index is broken at its source; try another mirror',
    facts: { file: name },
  })
}
