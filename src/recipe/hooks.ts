// Module hooks for importing recipes; Node runs them on its own thread (module.register).
import { readFile } from 'node:fs/promises'
import type { InitializeHook, LoadHook, ResolveHook } from 'node:module'
import { fileURLToPath } from 'node:url'
import { stripTypes } from './strip.ts'

/** What load.ts hands over. */
export interface HookData {
  /** the url of plinth's public API, as this very copy runs */
  readonly api: string
  /** a module of plinth: what a recipe cannot resolve is resolved from here */
  readonly home: string
  /** whether this Node cannot import TypeScript by itself */
  readonly stripTypes: boolean
}

let data: HookData

export const initialize: InitializeHook<HookData> = (handed) => {
  data = handed
}

/** `plinth` is always the running one; `zod` is the recipe's own if it has one, else plinth's. */
export const resolve: ResolveHook = async (specifier, context, next) => {
  if (specifier === 'plinth') return { url: data.api, shortCircuit: true }
  try {
    return await next(specifier, context)
  } catch (error) {
    if (!/^zod(\/|$)/.test(specifier)) throw error
    return next(specifier, { ...context, parentURL: data.home })
  }
}

/** Only where Node cannot do it itself. */
export const load: LoadHook = async (url, context, next) => {
  const { protocol, pathname } = new URL(url)
  if (!data.stripTypes || protocol !== 'file:' || !/\.m?ts$/.test(pathname))
    return next(url, context)
  const file = fileURLToPath(url)
  const source = await stripTypes(await readFile(file, 'utf8'), file)
  return { format: 'module', source, shortCircuit: true }
}
