import { existsSync } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { register } from 'node:module'
import path from 'node:path'
import process from 'node:process'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { PlinthError } from '../errors.ts'
import { nearest } from '../nearest.ts'
import type { HookData } from './hooks.ts'
import { checkRecipe, type Recipe } from './recipe.ts'
import { stripTypes } from './strip.ts'

/** A recipe and where it came from. */
export interface LoadedRecipe {
  readonly recipe: Recipe
  /** the module's path, for messages; never part of a plan */
  readonly path: string
  readonly bundled: boolean
}

/** Running from sources the bundled recipes are `recipes/*.ts`, built they are `dist/recipes/*.js`. */
const own = path.extname(fileURLToPath(import.meta.url))
const bundledDirectory = fileURLToPath(
  new URL(own === '.ts' ? '../../recipes/' : '../recipes/', import.meta.url),
)
const bareWord = /^[a-z0-9][a-z0-9_-]*$/
const moduleExtensions = ['.ts', '.mts', '.js', '.mjs']

/**
 * Loads the recipe named on a command line: a bundled name (`debian`) or the path of a module
 * (`./base.ts`). TypeScript needs no build, and `plinth` and `zod` resolve wherever the file is.
 * Throws `RECIPE_NOT_FOUND`; `RECIPE_INVALID` for a module that does not parse, throws, or exports no
 * recipe as its default.
 */
export async function loadRecipe(
  name: string,
  deps: { readonly cwd: string },
): Promise<LoadedRecipe> {
  const bundled = bareWord.test(name)
  const file = bundled ? path.join(bundledDirectory, name + own) : path.resolve(deps.cwd, name)
  if (bundled) await expectBundled(name, file, deps.cwd)
  else await expectModule(name, file)
  prepareImports(file)
  let module: { readonly default?: unknown }
  try {
    module = (await import(pathToFileURL(file).href)) as typeof module
  } catch (cause) {
    throw await importError(file, cause)
  }
  if (module.default === undefined) {
    throw new PlinthError('RECIPE_INVALID', `cannot use ${file}: it has no default export`, {
      hint: 'export default defineRecipe({ … })',
    })
  }
  try {
    return { recipe: checkRecipe(module.default), path: file, bundled }
  } catch (cause) {
    if (!(cause instanceof PlinthError)) throw cause
    const { message, hint } = cause
    throw new PlinthError('RECIPE_INVALID', `cannot use ${file}: ${message}`, { cause, hint })
  }
}

/** Whether a name on a command line is the path of a module. */
export function isModulePath(name: string): boolean {
  return moduleExtensions.includes(path.extname(name))
}

/** The names of the recipes that come with plinth, sorted. */
export async function bundledRecipes(): Promise<readonly string[]> {
  const files = await readdir(bundledDirectory)
  return files
    .filter((file) => file.endsWith(own) && !file.endsWith('.d.ts'))
    .map((file) => file.slice(0, -own.length))
    .toSorted()
}

/** Whether a recipe of that name comes with plinth. */
export function isBundled(name: string): boolean {
  return bareWord.test(name) && existsSync(path.join(bundledDirectory, name + own))
}

async function expectBundled(name: string, file: string, cwd: string): Promise<void> {
  if (existsSync(file)) return
  const names = await bundledRecipes()
  const local = moduleExtensions.find((extension) => existsSync(path.join(cwd, name + extension)))
  const [close] = nearest(name, names)
  throw new PlinthError('RECIPE_NOT_FOUND', `no recipe is called ${name}`, {
    hint:
      local === undefined
        ? `${close === undefined ? '' : `did you mean ${close}? `}bundled: ${names.join(', ')}; or give the path of a module`
        : `to build the file, write ./${name}${local}`,
    facts: { name, bundled: names },
  })
}

async function expectModule(name: string, file: string): Promise<void> {
  const found = await stat(file).catch(() => undefined)
  if (found?.isFile() && moduleExtensions.includes(path.extname(file))) return
  const what = found === undefined ? 'there is no such file' : 'it is not a recipe module'
  const missing = moduleExtensions.find((extension) => existsSync(file + extension))
  throw new PlinthError('RECIPE_NOT_FOUND', `cannot load the recipe ${name}: ${what}`, {
    hint:
      missing === undefined
        ? `a recipe is a ${moduleExtensions.join(', ')} file or one of: ${(await bundledRecipes()).join(', ')}`
        : `did you mean ${name}${missing}?`,
    facts: { name, path: file },
  })
}

let prepared = false

/**
 * Registers the module hooks once, before the first import that needs them: Node remembers a failed
 * import, so there is no second try. A bundled recipe of a built plinth needs none.
 */
function prepareImports(file: string): void {
  if (prepared || (own === '.js' && file.startsWith(bundledDirectory))) return
  prepared = true
  const stripped =
    own === '.ts' || Boolean((process.features as { typescript?: unknown }).typescript)
  const data: HookData = {
    api: new URL(`../index${own}`, import.meta.url).href,
    home: import.meta.url,
    stripTypes: !stripped,
  }
  register(`./hooks${own}`, { parentURL: import.meta.url, data })
}

async function importError(file: string, cause: unknown): Promise<PlinthError> {
  if (cause instanceof PlinthError) return cause
  const error = cause instanceof Error ? cause : new Error(String(cause))
  const message = error.message.split('\n').find((line) => line.trim() !== '') ?? error.name
  const missing = /^Cannot find (package|module) '([^']+)'/.exec(message)
  if (missing !== null) {
    const why = `it imports ${missing[2]}, which is not there`
    const hint = missing[1] === 'package' ? 'install it beside the recipe' : undefined
    return new PlinthError('RECIPE_INVALID', `cannot load ${file}: ${why}`, { cause, hint })
  }
  const at = locationOf(error) ?? (await unparsable(file)) ?? file
  const linking = message.includes('does not provide an export')
  const why = linking || !(error instanceof SyntaxError) ? message : `it does not parse: ${message}`
  return new PlinthError('RECIPE_INVALID', `cannot load ${at}: ${why}`, { cause })
}

/** `file:line` of the first frame that is not Node's own. */
function locationOf(error: Error): string | undefined {
  for (const line of (error.stack ?? '').split('\n')) {
    // `at name (place)`, `at place`, or the place alone on a syntax error's first line
    const frame = /(?:^|\bat (?:async )?|\()(file:\/\/)?(\/[^()]+?):(\d+)(?::\d+)?\)?$/.exec(line)
    if (frame === null) continue
    const [, scheme, place = '', number = ''] = frame
    return `${scheme === undefined ? place : fileURLToPath(`file://${place}`)}:${number}`
  }
  return undefined
}

/** Node does not tell where a module does not parse; the stripper, which parses too, does. */
async function unparsable(file: string): Promise<string | undefined> {
  try {
    await stripTypes(await readFile(file, 'utf8'), file)
    return undefined
  } catch (error) {
    return error instanceof SyntaxError ? locationOf(error) : undefined
  }
}
