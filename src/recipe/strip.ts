/**
 * JavaScript from TypeScript by blanking types out, so that lines and columns stay; erasable syntax
 * only, as in Node ≥ 22.18. Throws a `SyntaxError` whose stack starts with `file:line`.
 */
export async function stripTypes(text: string, file: string): Promise<string> {
  // 3 MB of WebAssembly: only for those who need it
  const { transformSync } = (await import('amaro')).default
  try {
    return transformSync(text, { mode: 'strip-only', filename: file }).code
  } catch (error) {
    throw syntaxError(error, file)
  }
}

/** What was thrown is a picture of the place: its first line the reason, `[line:column]` the place. */
function syntaxError(thrown: unknown, file: string): SyntaxError {
  const text = thrown instanceof Error ? thrown.message : String(thrown)
  const [first = ''] = text.trim().split('\n')
  const reason = first.replace(/^[x×] /, '')
  const line = /-\[(\d+):\d+\]/.exec(text)?.[1] ?? '1'
  const error = new SyntaxError(reason)
  error.stack = `${file}:${line}\nSyntaxError: ${reason}`
  return error
}
