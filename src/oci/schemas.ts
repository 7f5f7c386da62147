import { z } from 'zod'
import type { Digest } from '../digest.ts'
import { PlinthError } from '../errors.ts'

/** The documents of OCI image-spec as they may come from anywhere; fields plinth does not know are kept. */

const digest = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/, 'not a sha256 digest')
  .transform((text) => text as Digest)

const annotations = z.record(z.string(), z.string())
const strings = z.array(z.string())
const emptyObjects = z.record(z.string(), z.record(z.string(), z.never()))
// Go writes empty lists and maps of a config as null
const nullable = <T extends z.ZodType>(schema: T) =>
  schema.nullish().transform((value) => value ?? undefined)

const descriptorSchema = z.looseObject({
  mediaType: z.string(),
  digest,
  size: z.int().nonnegative(),
  annotations: annotations.optional(),
  platform: z
    .looseObject({ os: z.string(), architecture: z.string(), variant: z.string().optional() })
    .optional(),
})

export const manifestSchema = z.looseObject({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  config: descriptorSchema,
  layers: z.array(descriptorSchema),
  annotations: annotations.optional(),
})

export const indexSchema = z.looseObject({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  manifests: z.array(descriptorSchema),
  annotations: annotations.optional(),
})

const historySchema = z.looseObject({
  created: z.string().optional(),
  created_by: z.string().optional(),
  author: z.string().optional(),
  comment: z.string().optional(),
  empty_layer: z.boolean().optional(),
})

const runConfigSchema = z.looseObject({
  User: z.string().optional(),
  ExposedPorts: nullable(emptyObjects),
  Env: nullable(strings),
  Entrypoint: nullable(strings),
  Cmd: nullable(strings),
  Volumes: nullable(emptyObjects),
  WorkingDir: z.string().optional(),
  Labels: nullable(annotations),
  StopSignal: z.string().optional(),
  Healthcheck: nullable(
    z.looseObject({
      Test: nullable(strings),
      Interval: z.int().optional(),
      Timeout: z.int().optional(),
      StartPeriod: z.int().optional(),
      StartInterval: z.int().optional(),
      Retries: z.int().optional(),
    }),
  ),
  OnBuild: nullable(strings),
  Shell: nullable(strings),
  ArgsEscaped: z.boolean().optional(),
})

export const configSchema = z.looseObject({
  created: z.string().optional(),
  author: z.string().optional(),
  architecture: z.string().min(1),
  variant: z.string().optional(),
  os: z.string().min(1),
  // absent or null is allowed since 2026
  config: runConfigSchema.nullish().transform((config) => config ?? {}),
  rootfs: z.object({ type: z.literal('layers'), diff_ids: z.array(digest) }),
  history: z
    .array(historySchema)
    .nullish()
    .transform((history) => history ?? []),
})

/** Decodes a JSON document by a schema. Throws `IMAGE_INVALID`, naming `what` and the first wrong field. */
export function parseDocument<T>(schema: z.ZodType<T>, bytes: Uint8Array, what: string): T {
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new PlinthError('IMAGE_INVALID', `cannot read ${what}: it is not JSON`, { cause })
  }
  const result = schema.safeParse(json)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  throw new PlinthError(
    'IMAGE_INVALID',
    `cannot read ${what}: ${issue?.path.join('.') || 'it'}: ${issue?.message ?? 'unexpected'}`,
    { cause: result.error },
  )
}
