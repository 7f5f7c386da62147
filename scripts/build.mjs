// npm run build: src to dist, bundled recipes to dist/recipes. The new dist takes the old one's
// place only when it is complete, so that a running plinth or a second build never sees half of one.
import { spawnSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = fileURLToPath(new URL('../', import.meta.url))
const cache = path.join(root, 'node_modules', '.cache')
await mkdir(cache, { recursive: true })
const next = await mkdtemp(path.join(cache, 'dist-'))
try {
  if (compileSources()) {
    await compileRecipes()
    await chmod(path.join(next, 'cli', 'main.js'), 0o755)
    await chmod(next, 0o755)
    await takePlace()
  } else process.exitCode = 1
} finally {
  await rm(next, { recursive: true, force: true })
}

function compileSources() {
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
  const { status, signal } = spawnSync(
    process.execPath,
    [tsc, '-p', path.join(root, 'tsconfig.json'), '--outDir', next],
    { stdio: 'inherit' },
  )
  if (status !== 0) {
    console.error(`build: tsc ended with ${signal ?? status}; dist is unchanged`)
    return false
  }
  return true
}

/** `npm run check` checks their types; here they only become JavaScript. */
async function compileRecipes() {
  await mkdir(path.join(next, 'recipes'))
  for (const name of await readdir(path.join(root, 'recipes'))) {
    if (!name.endsWith('.ts')) continue
    const source = await readFile(path.join(root, 'recipes', name), 'utf8')
    const { outputText } = ts.transpileModule(source, {
      fileName: name,
      compilerOptions: {
        target: ts.ScriptTarget.ES2023,
        module: ts.ModuleKind.ESNext,
        verbatimModuleSyntax: true,
      },
    })
    await writeFile(path.join(next, 'recipes', name.replace(/\.ts$/, '.js')), outputText)
  }
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
