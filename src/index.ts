// The public API: what a recipe imports.
export { exitCodes, isPlinthError, PlinthError } from './errors.ts'
export type { ErrorCode, ErrorDetails } from './errors.ts'
export type { Emit, Event } from './events.ts'
export type { Platform } from './platform.ts'
export { defineRecipe, withParams } from './recipe/recipe.ts'
export type {
  BoundRecipe,
  Decided,
  DerivedRecipe,
  ParamsSchema,
  Recipe,
  RecipeContext,
  RootfsRecipe,
} from './recipe/recipe.ts'
export { apk } from './recipe/apk-rootfs.ts'
export type {
  AlpineOptions,
  ApkCustomOptions,
  ApkKey,
  ApkRepository,
  ApkRootfs,
  WolfiOptions,
} from './recipe/apk-rootfs.ts'
export { deb } from './recipe/rootfs.ts'
export type {
  DebCustomOptions,
  DebPresetOptions,
  DebRootfs,
  DebSource,
  DebVariant,
  Key,
  Rootfs,
  SkippableCheck,
} from './recipe/rootfs.ts'
export {
  arg,
  cmd,
  entrypoint,
  env,
  expose,
  label,
  shell,
  stopsignal,
  user,
  volume,
  workdir,
} from './recipe/instruction.ts'
export { add, copy } from './recipe/files-instruction.ts'
export type {
  AddOptions,
  CopyOptions,
  FilesOptions,
  InlineFile,
  Sources,
} from './recipe/files-instruction.ts'
export { healthcheck, onbuild, run } from './recipe/run-instruction.ts'
export type { Duration, HealthcheckOptions, Mount, RunOptions } from './recipe/run-instruction.ts'
export type { From } from './recipe/source-of.ts'
export type { Command, Instruction } from './instruction.ts'
