import path from 'node:path'
import { readableSize } from '../../output/progress.ts'
import { printable, table } from '../format.ts'
import { openImageFile, type FoundImage } from '../image-file.ts'
import { readContents, type ImageContents } from '../installed-packages.ts'
import { quantity } from '../../quantity.ts'
import { familiarName, parseReference } from '../../reference.ts'
import type { CommandContext } from '../command.ts'

/** `plinth inspect`: name, digest, sizes, how it starts, and which packages are in it. */
export async function inspect(
  file: string,
  options: { readonly packages?: true | undefined; readonly json?: true | undefined },
  { io }: CommandContext,
): Promise<string> {
  const opened = await openImageFile(path.resolve(io.cwd, file))
  const all: (FoundImage & { readonly contents: ImageContents })[] = []
  for (const found of opened.images) {
    all.push({ ...found, contents: await readContents(found.image, opened) })
  }
  if (options.json === true) return `${JSON.stringify(all.map(asJson), undefined, 2)}\n`
  return all.map((found) => asText(found, options.packages === true)).join('\n')
}

function asJson({ names, digest, image, contents }: FoundImage & { contents: ImageContents }) {
  return { names, digest, config: image.config, layers: image.layers, ...contents }
}

function asText(
  { names, digest, image, contents }: FoundImage & { readonly contents: ImageContents },
  withPackages: boolean,
): string {
  const { config, layers } = image
  const size = layers.reduce((sum, layer) => sum + layer.size, 0)
  const { Env = [], Entrypoint, Cmd, User, WorkingDir, Labels = {} } = config.config
  const rows: readonly (readonly [string, string | undefined])[] = [
    ['name', names.map(familiar).join(', ') || undefined],
    ['digest', digest],
    ['platform', [config.os, config.architecture, config.variant].filter(Boolean).join('/')],
    ['system', contents.system],
    [
      'size',
      `${readableSize(size)} in ${quantity(layers.length, 'layer')}, ${readableSize(contents.unpackedSize)} unpacked`,
    ],
    ['created', config.created],
    ['entrypoint', Entrypoint && JSON.stringify(Entrypoint)],
    ['command', Cmd && JSON.stringify(Cmd)],
    ['user', User],
    ['directory', WorkingDir],
    ...Env.map((variable) => ['env', variable] as const),
    ...Object.entries(Labels).map(([key, value]) => ['label', `${key}=${value}`] as const),
    ...layers.map((layer) => ['layer', `${layer.digest} ${readableSize(layer.size)}`] as const),
    ['packages', packageCount(contents)],
  ]
  const lines = rows.filter((row): row is readonly [string, string] => Boolean(row[1]))
  const text = lines.map(([key, value]) => `${key.padEnd(10)}  ${printable(value)}\n`).join('')
  return withPackages ? `${text}\n${packageTable(contents)}` : text
}

/** Layouts hold full names or bare tags. */
function familiar(name: string): string {
  return name.includes('/') ? familiarName(parseReference(name)) : name
}

function packageCount({ packages }: ImageContents): string {
  if (packages.length === 0) return 'none'
  const size = packages.reduce((sum, found) => sum + found.installedSize, 0)
  const largest = packages.toSorted((a, b) => b.installedSize - a.installedSize).slice(0, 5)
  const names = largest.map((found) => `${found.name} ${readableSize(found.installedSize)}`)
  return `${packages.length}, ${readableSize(size)} installed; largest: ${names.join(', ')}`
}

function packageTable({ packages }: ImageContents): string {
  const rows = packages.map(({ name, version, architecture, installedSize }) =>
    [name, version, architecture, readableSize(installedSize)].map(printable),
  )
  const heading = ['PACKAGE', 'VERSION', 'ARCH', 'INSTALLED']
  return table(heading, rows, ['left', 'left', 'left', 'right'])
}
