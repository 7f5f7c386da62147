/**
 * JSON bytes that depend on the value only: keys in code-unit order at every level, no white space,
 * `undefined` left out. Digests of documents are digests of these bytes.
 */
export function encodeJson(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(sorted(value)))
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (value === null || typeof value !== 'object') return value
  const entries = Object.entries(value).filter(([, field]) => field !== undefined)
  entries.sort(([a], [b]) => (a < b ? -1 : 1))
  // a Map-like object without prototype, so that a label named __proto__ stays a label
  const result: Record<string, unknown> = Object.create(null)
  for (const [key, field] of entries) result[key] = sorted(field)
  return result
}
