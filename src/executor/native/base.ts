import { createHash } from 'node:crypto'
import type { Digest } from '../../digest.ts'
import type { Content, Entry } from '../../entry.ts'
import type { ContentReader } from '../../store/content.ts'
import type { Known, LayerStack } from './layer-stack.ts'

/** A file, with its bytes. */
export type FileEntry = Entry & { readonly type: 'file' }

/** What a workspace was opened on, to compare with. */
export interface Base {
  get(path: string): Known | undefined
  /** every path of it */
  paths(): Iterable<string>
  /** whether a file of it, equal in metadata, has the bytes of `after` */
  sameContent(after: FileEntry): Promise<boolean>
}

/** The base that is a tree. */
export function treeBase(tree: ReadonlyMap<string, Entry>, contents: ContentReader): Base {
  return {
    get: (path) => tree.get(path),
    paths: () => tree.keys(),
    async sameContent(after) {
      const before = tree.get(after.path)
      return before?.type === 'file' && sameBytes(before, after, contents)
    },
  }
}

/** The base that is layers; `contentOf` asks for what a file of one of them holds. */
export function layeredBase(
  stack: LayerStack,
  contentOf: (layer: number, path: string) => Promise<Content | undefined>,
  contents: ContentReader,
): Base {
  return {
    get: (path) => stack.get(path),
    paths: () => stack.all().keys(),
    async sameContent(after) {
      const layer = stack.layerOf(after.path)
      const content = layer === undefined ? undefined : await contentOf(layer, after.path)
      return content !== undefined && sameBytes({ content, size: after.size }, after, contents)
    },
  }
}

type Bytes = Pick<FileEntry, 'content' | 'size'>

async function sameBytes(before: Bytes, after: Bytes, contents: ContentReader): Promise<boolean> {
  return (await digestOf(before, contents)) === (await digestOf(after, contents))
}

async function digestOf({ content, size }: Bytes, contents: ContentReader): Promise<Digest> {
  const hash = createHash('sha256')
  const body = contents.open(content, size)
  for await (const piece of body instanceof Uint8Array ? [body] : body) hash.update(piece)
  return `sha256:${hash.digest('hex')}` as Digest
}
