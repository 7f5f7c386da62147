// npm run build: src and recipes to a few files in dist. The new dist takes the old one's
// place only when it is complete, so that a running plinth or a second build never sees half of one.
import { spawnSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const root = fileURLToPath(new URL('../', import.meta.url))
const cache = path.join(root, 'node_modules', '.cache')
await mkdir(cache, { recursive: true })
const next = await mkdtemp(path.join(cache, 'dist-'))
try {
  if (writeTypes()) {
    await bundle()
    await chmod(path.join(next, 'cli', 'main.js'), 0o755)
    await chmod(next, 0o755)
    await takePlace()
  } else process.exitCode = 1
} finally {
  await rm(next, { recursive: true, force: true })
}

function writeTypes() {
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
  const { status, signal } = spawnSync(
    process.execPath,
    [tsc, '-p', path.join(root, 'tsconfig.json'), '--emitDeclarationOnly', '--outDir', next],
    { stdio: 'inherit' },
  )
  if (status !== 0) {
    console.error(`build: tsc ended with ${signal ?? status}; dist is unchanged`)
    return false
  }
  return true
}

/**
 * The sources, the bundled recipes and what they import as a few files: Node takes a third of an unchanged
 * build to find and load some hundreds. What is rarely needed stays a chunk of its own, and libraries that are
 * optional, large or binary stay where npm put them.
 */
async function bundle() {
  const source = (name) => path.join(root, 'src', name)
  const input = {
    index: source('index.ts'),
    'cli/main': source('cli/main.ts'),
    'lib/hooks': source('recipe/hooks.ts'),
  }
  for (const name of await readdir(path.join(root, 'recipes'))) {
    const { name: stem, ext } = path.parse(name)
    if (ext === '.ts') input[`recipes/${stem}`] = path.join(root, 'recipes', name)
  }
  const whatNamesARecipe = (id) =>
    [source('index.ts'), source('recipe/load.ts'), source('cli/commands/build.ts')].includes(id)
  const bundled = await rolldown({
    input,
    platform: 'node',
    transform: { target: 'es2023' },
    // the last is what node-fetch would take on a Node without web streams: 160 kB that are read for nothing
    external: ['amaro', 'node-liblzma', 'openpgp', 'xz-decompress', /^web-streams-polyfill\//],
    resolve: { alias: { plinth: source('index.ts') } },
    // from the sources zod is loaded late; here every recipe brings it
    checks: { ineffectiveDynamicImport: false },
  })
  // one directory deep, like recipes/ and cli/: see what the sources say of import.meta.url
  const { output } = await bundled.write({
    dir: next,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: 'lib/[name].js',
    // each with all it imports that none before it has: what every build loads is not in forty pieces
    codeSplitting: {
      groups: [
        { name: 'run', test: (id) => id === source('cli/run.ts'), priority: 3 },
        { name: 'recipe', test: whatNamesARecipe, priority: 2 },
        { name: 'pipeline', test: (id) => id === source('cli/pipeline.ts'), priority: 1 },
      ],
    },
    comments: { legal: true, annotation: false, jsdoc: false },
    sourcemap: true,
  })
  await bundled.close()
  await writeFile(path.join(next, 'LICENSES'), await licenses(output))
}

/** The licences of the libraries whose code is in the bundle. */
async function licenses(output) {
  const homes = new Set()
  for (const chunk of output) {
    for (const id of Object.keys(chunk.modules ?? {})) {
      const home = /^.*\/node_modules\/(@[^/]+\/)?[^/]+/.exec(id)
      if (home !== null) homes.add(home[0])
    }
  }
  const texts = []
  for (const home of [...homes].toSorted((a, b) => (a < b ? -1 : 1))) {
    const about = JSON.parse(await readFile(path.join(home, 'package.json'), 'utf8'))
    const parts = [`${about.name} ${about.version}, ${about.license}`]
    for (const file of await readdir(home)) {
      if (/^(licen[cs]e|copying)/i.test(file))
        parts.push(await readFile(path.join(home, file), 'utf8'))
    }
    texts.push(`${parts.map((part) => part.trim()).join('\n\n')}\n`)
  }
  return texts.join(`\n${'-'.repeat(72)}\n\n`)
}

async function takePlace() {
  const dist = path.join(root, 'dist')
  const old = path.join(cache, `dist-old-${process.pid}`)
  await rename(dist, old).catch((error) => {
    if (error.code !== 'ENOENT') throw error
  })
  await rename(next, dist)
  await rm(old, { recursive: true, force: true })
}
