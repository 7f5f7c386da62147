import type { Emit } from '../events.ts'

/** A step that an output shows. */
export interface OutputStep {
  readonly id: string
  readonly title: string
  readonly total?: number | undefined
  readonly unit?: 'bytes' | 'items' | undefined
}

/** Runs `work` as a step: started, then finished with what `work` says in short, or failed. */
export async function asStep<T>(
  emit: Emit,
  step: OutputStep,
  work: () => Promise<T>,
  detail: (result: T) => string,
): Promise<T> {
  emit({ type: 'step-started', unit: 'bytes', ...step })
  try {
    const result = await work()
    emit({ type: 'step-finished', id: step.id, detail: detail(result) })
    return result
  } catch (error) {
    emit({ type: 'step-failed', id: step.id })
    throw error
  }
}

/** Passes chunks on and tells how far the step is. */
export async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  emit: Emit,
  id: string,
): AsyncGenerator<Uint8Array> {
  let done = 0
  for await (const chunk of chunks) {
    yield chunk
    done += chunk.length
    emit({ type: 'step-progress', id, done })
  }
}

/** Bytes as people read them: `39.3 MB`. */
export function readableSize(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = Math.min(units.length - 1, bytes < 1000 ? 0 : Math.floor(Math.log10(bytes) / 3))
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`
}
