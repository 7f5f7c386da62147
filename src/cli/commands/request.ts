import { PlinthError } from '../../errors.ts'
import type { Emit } from '../../events.ts'
import { nearest } from '../../nearest.ts'
import { parsePlatform, platformOfArch } from '../../platform.ts'
import { loadRecipe } from '../../recipe/load.ts'
import { parseParams, readParams } from '../../recipe/params.ts'
import { skippableChecks, type SkippableCheck } from '../../recipe/rootfs.ts'
import { openRenderer } from '../render/open.ts'
import type { CommandContext, RecipeOptions, WorkOptions } from '../command.ts'
import type { StageDeps, StageRequest } from '../stages.ts'
import { storePath } from '../surroundings.ts'

/** What is asked of the pipeline, from the options of a command. */
export async function readRequest(
  name: string,
  options: RecipeOptions,
  { io }: CommandContext,
): Promise<StageRequest> {
  const platform =
    options.platform === undefined ? platformOfArch(io.arch) : parsePlatform(options.platform)
  const skip = (options.skip ?? []).map(parseCheck)
  const { recipe } = await loadRecipe(name, { cwd: io.cwd })
  const params = await readParams(recipe, options.param ?? [])
  // planning parses them again; here a slip is told before anything is opened
  await parseParams(recipe, params)
  return { recipe, params, platform, skip }
}

/** Runs `work` with progress shown; the terminal is restored whatever happens. */
export async function withProgress<T>(
  options: WorkOptions,
  context: CommandContext,
  work: (deps: StageDeps) => Promise<T>,
): Promise<T> {
  const { io, signal } = context
  const renderer = openRenderer(options.progress, io)
  context.onForcedExit(() => renderer.close())
  try {
    return await work(stageDeps(options, context, renderer.emit))
  } catch (error) {
    // what an abort looks like depends on where it struck; its reason says what it was
    if (signal.aborted) throw signal.reason
    throw error
  } finally {
    renderer.close()
  }
}

/** What the pipeline gets of this command's surroundings. */
export function stageDeps(
  options: WorkOptions,
  { io, signal }: CommandContext,
  emit: Emit,
): StageDeps {
  return {
    store: storePath(options.store, io),
    emit,
    signal,
    now: () => new Date(io.now()),
    uid: io.uid,
    env: io.env,
  }
}

function parseCheck(text: string): SkippableCheck {
  const known = skippableChecks.find((check) => check === text)
  if (known !== undefined) return known
  const [close] = nearest(text, skippableChecks)
  throw new PlinthError('USAGE', `'${text}' is no check that can be skipped`, {
    hint: close === undefined ? `known: ${skippableChecks.join(', ')}` : `did you mean ${close}?`,
  })
}
