import process from 'node:process'
import { PlinthError } from '../../errors.ts'
import { dockerLoad } from '../../output/docker-load.ts'
import { openOutput, parseOutput, type OutputSpec } from '../../output/spec.ts'
import type { Output } from '../../ports.ts'
import type { CommandContext, OutputOptions } from '../command.ts'
import { engineOptions } from '../surroundings.ts'

/** Where a command's image goes. */
interface Outputs {
  readonly outputs: readonly Output[]
  readonly specs: readonly OutputSpec[]
  /** of layers: what holds a plain root filesystem needs none */
  readonly compression: 'gzip' | 'none'
  /** standard output takes the image: nothing else may be written there */
  readonly toStdout: boolean
}

/** The outputs of `-o` and `--load`. Throws `OUTPUT_INVALID`, and `USAGE` when two want standard output. */
export function readOutputs(options: OutputOptions, { io }: CommandContext): Outputs {
  const specs = (options.output ?? []).map(parseOutput)
  const toStdout = specs.filter((spec) => spec.dest === '-')
  if (toStdout.length > 1) {
    throw new PlinthError('USAGE', 'standard output can take one output only')
  }
  if (toStdout.length === 1 && options.json === true) {
    throw new PlinthError('USAGE', 'standard output cannot take both the image and --json')
  }
  const isPlain = options.load !== true && specs.length > 0 && specs.every(isUncompressed)
  const outputs = specs.map((spec) => openOutput(spec, { stdout: process.stdout }))
  if (options.load === true) outputs.push(dockerLoad(engineOptions(io)))
  const compression = isPlain ? 'none' : 'gzip'
  return { outputs, specs, compression, toStdout: toStdout.length === 1 }
}

/** Such an output has neither layers nor a compressed tar: nothing need be compressed for it. */
function isUncompressed(spec: OutputSpec): boolean {
  return spec.type === 'dir' || (spec.type === 'rootfs' && spec.compression === 'none')
}
