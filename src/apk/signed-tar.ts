import { readTar, type TarMember } from '../archive/tar-read.ts'
import { PlinthError } from '../errors.ts'
import type { GzipMembers, Tap } from './gzip-members.ts'
import { readSignature, signaturePrefix, type Signature } from './signature.ts'

/** The signatures at the head of a file, and the archive that they are for. */
export interface SignedTar {
  readonly signatures: readonly Signature[]
  /** what the archive holds, to be read to its end */
  readonly members: AsyncIterable<TarMember>
  /** Has `tap` see the archive's compressed bytes, those read before included. */
  onCompressed(tap: Tap): void
}

/** A signature of 16 KiB per key, and nobody has this many keys. */
const maxSignaturePart = 1024 * 1024
const maxSignatures = 64

/**
 * Reads the signature part (gzip members whose tar holds `.SIGN.…`; each signing prepends one) and opens what
 * follows: the next gzip member, or with `extent: 'rest'` all there is to the end of the file as one archive.
 * More than `maxSize` bytes in it are `DECOMPRESSION_BOMB`.
 */
export async function openSignedTar(
  gzip: GzipMembers,
  archive: string,
  options: { readonly extent: 'member' | 'rest'; readonly maxSize: number },
): Promise<SignedTar> {
  const signatures: Signature[] = []
  for (;;) {
    if (await gzip.atEnd()) {
      const what = signatures.length === 0 ? 'it is empty' : 'nothing follows its signature'
      throw new PlinthError('ARCHIVE_INVALID', `cannot read ${archive}: ${what}`, {
        hint: 'fetch it again',
        facts: { archive },
      })
    }
    const relay = new Relay()
    // what its first file tells
    const part: { kind?: 'signature' | 'content' } = {}
    const content = async function* (): AsyncGenerator<Buffer> {
      let size = 0
      do {
        for await (const bytes of gzip.next((compressed) => relay.take(compressed))) {
          size += bytes.length
          const most = part.kind === 'signature' ? maxSignaturePart : options.maxSize
          if (size > most) throw bomb(archive, most)
          yield bytes
        }
      } while (options.extent === 'rest' && part.kind === 'content' && !(await gzip.atEnd()))
    }
    const members = readTar(content(), archive)
    const first = await members.next()
    const signs = first.done !== true && first.value.name.startsWith(signaturePrefix)
    part.kind = signs ? 'signature' : 'content'
    const all = withFirst(first, members)
    if (!signs) {
      return { signatures, members: all, onCompressed: (tap) => relay.connect(tap) }
    }
    relay.connect(() => {})
    for await (const member of all) {
      if (signatures.length === maxSignatures) throw bomb(archive, maxSignaturePart)
      signatures.push(await readSignature(member, archive))
    }
  }
}

async function* withFirst(
  first: IteratorResult<TarMember>,
  members: AsyncGenerator<TarMember>,
): AsyncGenerator<TarMember> {
  try {
    if (first.done === true) return
    yield first.value
    yield* members
  } finally {
    await members.return(undefined)
  }
}

/** Holds what passes until somebody wants it. */
class Relay {
  #held: Uint8Array[] = []
  #tap: Tap | undefined

  take(bytes: Uint8Array): void {
    if (this.#tap) this.#tap(bytes)
    else this.#held.push(bytes)
  }

  connect(tap: Tap): void {
    this.#tap = tap
    for (const bytes of this.#held.splice(0)) tap(bytes)
  }
}

function bomb(archive: string, most: number): PlinthError {
  return new PlinthError(
    'DECOMPRESSION_BOMB',
    `cannot read ${archive}: more than ${most} bytes come out of a part of it`,
    { hint: 'a real package never expands like this; do not trust its source' },
  )
}
