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
  cmd,
  entrypoint,
  env,
  expose,
  label,
  stopsignal,
  user,
  volume,
  workdir,
} from './recipe/instruction.ts'
export type { Command, Instruction } from './instruction.ts'
