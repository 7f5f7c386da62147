import { PlinthError } from '../errors.ts'
import type { Image, RunConfig } from '../image.ts'
import { withConfig } from '../oci/image.ts'
import type { Command, Instruction } from '../instruction.ts'

/** The image with a recipe's instructions applied in order; each is one entry of its history. */
export function applyInstructions(image: Image, instructions: readonly Instruction[]): Image {
  return instructions.reduce((done, instruction) => applyInstruction(done, instruction), image)
}

function applyInstruction(image: Image, instruction: Instruction): Image {
  const config = image.config.config
  const [changes, history] = configChange(config, instruction)
  return withConfig(image, changes, history)
}

function configChange(config: RunConfig, instruction: Instruction): [RunConfig, string] {
  switch (instruction.kind) {
    case 'env': {
      const names = instruction.pairs.map(([name]) => name)
      const pairs = instruction.pairs.map((pair) => pair.join('='))
      const others = (config.Env ?? []).filter(
        (pair) => !names.includes(pair.slice(0, pair.indexOf('='))),
      )
      return [{ Env: [...others, ...pairs] }, `ENV ${pairs.join(' ')}`]
    }
    case 'label': {
      const pairs = instruction.pairs.map((pair) => pair.join('='))
      const Labels = { ...config.Labels, ...Object.fromEntries(instruction.pairs) }
      return [{ Labels }, `LABEL ${pairs.join(' ')}`]
    }
    case 'cmd': {
      const command = exec(instruction.command)
      return [{ Cmd: command }, `CMD ${JSON.stringify(command)}`]
    }
    case 'entrypoint': {
      const command = exec(instruction.command)
      // as in a Dockerfile, a new entrypoint drops the command that belonged to the old one
      return [{ Entrypoint: command, Cmd: undefined }, `ENTRYPOINT ${JSON.stringify(command)}`]
    }
    case 'workdir': {
      const path = instruction.path.startsWith('/')
        ? instruction.path
        : `${config.WorkingDir ?? ''}/${instruction.path}`
      return [{ WorkingDir: path }, `WORKDIR ${path}`]
    }
    case 'user':
      return [{ User: instruction.user }, `USER ${instruction.user}`]
    case 'expose':
      return [
        {
          ExposedPorts: {
            ...config.ExposedPorts,
            ...Object.fromEntries(instruction.ports.map((port) => [port, {}])),
          },
        },
        `EXPOSE ${instruction.ports.join(' ')}`,
      ]
    case 'volume':
      return [
        {
          Volumes: {
            ...config.Volumes,
            ...Object.fromEntries(instruction.paths.map((path) => [path, {}])),
          },
        },
        `VOLUME ${JSON.stringify(instruction.paths)}`,
      ]
    case 'stopsignal':
      return [{ StopSignal: instruction.signal }, `STOPSIGNAL ${instruction.signal}`]
    // the engine replaces this function
    default:
      throw new PlinthError('INTERNAL', `${instruction.kind} is not carried out yet`)
  }
}

/** A string is for the shell, a list is run as it is. */
function exec(command: Command): readonly string[] {
  return typeof command === 'string' ? ['/bin/sh', '-c', command] : command
}
