// Module hooks behind typescript.mjs; they run on Node's own hooks thread.
import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import process from 'node:process'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = new URL('../', import.meta.url)
const cache = fileURLToPath(new URL('node_modules/.cache/typescript/', root))

/** Inside the checkout `plinth` is its sources, not the last build. */
export async function resolve(specifier, context, next) {
  if (specifier === 'plinth') return { url: new URL('src/index.ts', root).href, shortCircuit: true }
  return next(specifier, context)
}

export async function load(url, context, next) {
  if (!/^file:.*\.m?ts$/.test(url.replace(/[?#].*$/, ''))) return next(url, context)
  const path = fileURLToPath(url)
  const source = await readFile(path, 'utf8')
  return { format: 'module', source: await transpiled(path, source), shortCircuit: true }
}

/** The JavaScript of a file, from the cache when the same text was seen before. */
async function transpiled(path, source) {
  const key = createHash('sha256').update(`${process.version}\0${path}\0${source}`).digest('hex')
  const file = `${cache}${key}.js`
  try {
    return await readFile(file, 'utf8')
  } catch {
    const { default: ts } = await import('typescript')
    const { outputText } = ts.transpileModule(source, {
      fileName: pathToFileURL(path).href,
      compilerOptions: {
        target: ts.ScriptTarget.ES2023,
        module: ts.ModuleKind.ESNext,
        verbatimModuleSyntax: true,
        inlineSourceMap: true,
        inlineSources: true,
      },
    })
    await mkdir(cache, { recursive: true })
    const partial = `${file}.${process.pid}`
    await writeFile(partial, outputText)
    await rename(partial, file)
    return outputText
  }
}
