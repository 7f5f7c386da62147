import type { Instruction, Source } from './instruction.ts'
import type { Platform } from './platform.ts'

/** A place in a text file, from 1. */
export interface Location {
  readonly file: string
  readonly line: number
  readonly column: number
}

/** The variables one instruction sees: what earlier ones set, never its own. */
export interface Scope {
  get(name: string): string | undefined
}

/** One step of a stage. Where its words have variables, the instruction is known when those are. */
export interface Step {
  readonly instruction: Instruction | ((scope: Scope) => Instruction)
  /** the stages, images and recipes it reads, which are known before its variables are */
  readonly sources?: readonly Source[] | undefined
  /** as written, continuation lines joined: what progress shows */
  readonly text: string
  readonly location?: Location | undefined
}

/** What a stage starts with. */
export type StageBase = { readonly kind: 'scratch' } | Source

/** A chain of steps over one base. */
export interface Stage {
  readonly name?: string | undefined
  readonly base: StageBase
  readonly platform?: Platform | undefined
  readonly steps: readonly Step[]
  readonly location?: Location | undefined
}

/** Stages in the order written; only those `target` needs are built. */
export interface StageGraph {
  readonly stages: readonly Stage[]
  readonly target: number
}
