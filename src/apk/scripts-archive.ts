import type { PackageScript, ScriptType } from './package-file.ts'

/** A package whose scripts apk keeps, for upgrades and triggers to come. */
export interface ScriptsOf {
  readonly name: string
  readonly version: string
  /** `Q1…` */
  readonly identity: string
  /** seconds since 1970; 0 for unknown */
  readonly buildDate: number
  readonly scripts: readonly PackageScript[]
}

/** The order apk numbers them in. */
const order: readonly ScriptType[] = [
  'pre-install',
  'post-install',
  'pre-deinstall',
  'post-deinstall',
  'pre-upgrade',
  'post-upgrade',
  'trigger',
]

const blockSize = 512

/**
 * `lib/apk/db/scripts.tar`, byte for byte as apk-tools 2.14 writes it: packages in the order they were installed
 * in, headers like those of old GNU tar. `now` is the time of scripts whose package does not know when it
 * was built.
 */
export function formatScriptsArchive(packages: Iterable<ScriptsOf>, now: number): Buffer {
  const blocks: Buffer[] = []
  for (const { name, version, identity, buildDate, scripts } of packages) {
    for (const type of order) {
      const script = scripts.find((one) => one.type === type)
      if (script === undefined) continue
      const { length } = script.bytes
      const padding = Buffer.alloc((blockSize - (length % blockSize)) % blockSize)
      const member = `${name}-${version}.${identity}.${type}`
      blocks.push(header(member, length, buildDate || now), Buffer.from(script.bytes), padding)
    }
  }
  return Buffer.concat([...blocks, Buffer.alloc(2 * blockSize)])
}

function header(name: string, size: number, mtime: number): Buffer {
  const block = Buffer.alloc(blockSize)
  // longer names are cut
  block.write(name, 0, 99, 'utf8')
  octal(block, 0o755, 100, 7)
  octal(block, 0, 108, 7)
  octal(block, 0, 116, 7)
  // these two fill their fields, without a NUL
  octal(block, size, 124, 12)
  octal(block, mtime, 136, 12)
  block.fill(' ', 148, 156)
  block.write('0', 156, 'latin1')
  block.write('ustar  ', 257, 'latin1')
  block.write('root', 265, 'latin1')
  block.write('root', 297, 'latin1')
  octal(
    block,
    block.reduce((sum, byte) => sum + byte, 0),
    148,
    6,
  )
  block[154] = 0
  return block
}

function octal(block: Buffer, value: number, offset: number, digits: number): void {
  block.write(value.toString(8).padStart(digits, '0'), offset, digits, 'latin1')
}
