import type { z } from 'zod'
import { PlinthError } from '../errors.ts'
import { nearest } from '../nearest.ts'
import type { Recipe } from './recipe.ts'

/** One param, for people: `plinth recipes`, error messages. */
export interface ParamInfo {
  readonly name: string
  /** `bookworm|trixie`, `text`, `text,…` */
  readonly type: string
  readonly default?: unknown
  readonly description?: string | undefined
}

/** The part of JSON Schema that zod writes and params need. */
interface JsonSchema {
  readonly type?: string | undefined
  readonly enum?: readonly unknown[] | undefined
  readonly const?: unknown
  readonly items?: JsonSchema | undefined
  readonly anyOf?: readonly JsonSchema[] | undefined
  readonly default?: unknown
  readonly description?: string | undefined
  readonly properties?: Readonly<Record<string, JsonSchema>> | undefined
}

/** Parses params with the recipe's schema, which also fills in defaults. Throws `PARAM_INVALID`. */
export async function parseParams(
  recipe: Recipe,
  input: Readonly<Record<string, unknown>>,
): Promise<Readonly<Record<string, unknown>>> {
  await refuseUnknown(recipe, Object.keys(input))
  if (recipe.params === undefined) return {}
  const parsed = await recipe.params.safeParseAsync(input)
  if (parsed.success) return parsed.data
  throw paramError(recipe, parsed.error.issues.map(sentence), await listParams(recipe))
}

/**
 * Reads `key=value` as the command line gives them: text becomes what the schema asks for
 * (a list is split at commas and may be given in parts, numbers and booleans are converted).
 * The result still goes through `parseParams`. Throws `PARAM_INVALID`.
 */
export async function readParams(
  recipe: Recipe,
  assignments: readonly string[],
): Promise<Readonly<Record<string, unknown>>> {
  const texts = new Map<string, string[]>()
  for (const assignment of assignments) {
    const at = assignment.indexOf('=')
    if (at < 1) {
      const why = `'${assignment}' is not key=value`
      throw paramError(recipe, [why], await listParams(recipe))
    }
    const key = assignment.slice(0, at)
    texts.set(key, [...(texts.get(key) ?? []), assignment.slice(at + 1)])
  }
  await refuseUnknown(recipe, [...texts.keys()])
  const schemas = await paramSchemas(recipe)
  const params: Record<string, unknown> = {}
  for (const [key, values] of texts) {
    const schema = schemas[key] ?? {}
    const [first = ''] = values
    if (alternatives(schema).some(({ type }) => type === 'array')) {
      params[key] = values.flatMap((text) => listOf(text, schema))
    } else if (values.length > 1) {
      throw paramError(recipe, [`${key} is given ${values.length} times`], await listParams(recipe))
    } else {
      params[key] = fromText(first, schema)
    }
  }
  return params
}

/** The params of a recipe, in the order of its schema. */
export async function listParams(recipe: Recipe): Promise<readonly ParamInfo[]> {
  return Object.entries(await paramSchemas(recipe)).map(([name, schema]) => ({
    name,
    type: typeName(schema),
    default: schema.default,
    description: schema.description,
  }))
}

async function paramSchemas(recipe: Recipe): Promise<Readonly<Record<string, JsonSchema>>> {
  if (recipe.params === undefined) return {}
  const { toJSONSchema } = await import('zod')
  const schema = toJSONSchema(recipe.params, { io: 'input', unrepresentable: 'any' }) as JsonSchema
  return schema.properties ?? {}
}

async function refuseUnknown(recipe: Recipe, keys: readonly string[]): Promise<void> {
  const known = Object.keys(recipe.params?.shape ?? {})
  const unknown = keys.filter((key) => !known.includes(key))
  if (unknown.length === 0) return
  const lines = unknown.map((key) => {
    const [close] = nearest(key, known)
    return `${key} is no param of it${close === undefined ? '' : `; did you mean ${close}?`}`
  })
  throw paramError(recipe, lines, await listParams(recipe))
}

function paramError(
  recipe: Recipe,
  lines: readonly string[],
  params: readonly ParamInfo[],
): PlinthError {
  const [only] = lines
  const why = lines.length === 1 ? ` ${only}` : lines.map((line) => `\n  ${line}`).join('')
  const known = params.map(({ name, type }) => `${name}=${type}`).join(' ')
  return new PlinthError('PARAM_INVALID', `cannot use the params of recipe ${recipe.name}:${why}`, {
    hint: known === '' ? 'it takes no params' : `it takes ${known}`,
    facts: { recipe: recipe.name, problems: lines },
  })
}

function sentence(issue: z.core.$ZodIssue): string {
  const path = issue.path.map(String).join('.')
  const message = issue.message.replace(/^Invalid (input|option): /, '')
  return path === '' ? message : `${path}: ${message}`
}

function alternatives(schema: JsonSchema): readonly JsonSchema[] {
  return schema.anyOf?.flatMap(alternatives) ?? [schema]
}

function listOf(text: string, schema: JsonSchema): readonly unknown[] {
  const list = alternatives(schema).find(({ type }) => type === 'array')
  if (list?.items?.type === 'object') return asJson(text, [text]) as readonly unknown[]
  const parts = text.split(',').map((part) => part.trim())
  return parts.filter((part) => part !== '').map((part) => fromText(part, list?.items ?? {}))
}

/** Text that fits no alternative stays text: the schema's own message is the best one. */
function fromText(text: string, schema: JsonSchema): unknown {
  for (const { type, enum: values, const: constant } of alternatives(schema)) {
    const listed = values ?? (constant === undefined ? undefined : [constant])
    const value = listed?.find((known) => String(known) === text)
    if (value !== undefined) return value
    if (listed !== undefined) continue
    if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true'
    if ((type === 'number' || type === 'integer') && text.trim() !== '' && !isNaN(Number(text))) {
      return Number(text)
    }
    if (type === 'object') return asJson(text, text)
  }
  return text
}

function asJson(text: string, otherwise: unknown): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return otherwise
  }
}

function typeName(schema: JsonSchema): string {
  const names = alternatives(schema).map(({ type, enum: values, const: constant, items }) => {
    if (values !== undefined) return values.map(String).join('|')
    if (constant !== undefined) return JSON.stringify(constant)
    if (type === 'array') return `${typeName(items ?? {})},…`
    if (type === 'boolean') return 'true|false'
    return type === undefined || type === 'string' ? 'text' : type
  })
  return names.join('|')
}
