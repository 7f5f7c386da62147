import { bundledRecipes, loadRecipe } from '../../recipe/load.ts'
import { listParams, type ParamInfo } from '../../recipe/params.ts'
import type { CommandContext } from '../command.ts'

/** `plinth recipes`: the bundled recipes and what can be set. */
export async function recipes(
  options: { readonly json?: true | undefined },
  { io }: CommandContext,
): Promise<string> {
  const all = []
  for (const name of await bundledRecipes()) {
    const { recipe } = await loadRecipe(name, { cwd: io.cwd })
    const { description, platforms } = recipe
    all.push({ name, description, platforms, params: await listParams(recipe) })
  }
  if (options.json === true) return `${JSON.stringify(all, undefined, 2)}\n`
  return all
    .map(({ name, description = '', params }) => `${name}: ${description}\n${describe(params)}`)
    .join('\n')
}

function describe(params: readonly ParamInfo[]): string {
  return params
    .map(({ name, type, default: value, description = '' }) => {
      const text = Array.isArray(value) ? value.join(',') : JSON.stringify(value)
      const preset = text ? ` (default ${text.replaceAll('"', '')})` : ''
      return `  -p ${name}=${type}${preset}\n      ${description}\n`
    })
    .join('')
}
