import { PlinthError } from '../errors.ts'
import type { Command, Instruction } from '../instruction.ts'

/** Environment variables; later ones win. */
export function env(values: Readonly<Record<string, string>>): Instruction {
  for (const name of Object.keys(values)) {
    check(/^[^=\0\s]+$/.test(name), `env: '${name}' is not a variable name`)
  }
  return { kind: 'env', pairs: Object.entries(values) }
}

/** Labels; later ones win. */
export function label(values: Readonly<Record<string, string>>): Instruction {
  check(!('' in values), 'label: a label has no name')
  return { kind: 'label', pairs: Object.entries(values) }
}

/** What runs when nothing else is asked for. */
export function cmd(command: Command): Instruction {
  return { kind: 'cmd', command: copyOf(command) }
}

/** What always runs; `cmd` becomes its arguments. */
export function entrypoint(command: Command): Instruction {
  return { kind: 'entrypoint', command: copyOf(command) }
}

/** The directory it starts in; a relative path continues the last one. */
export function workdir(path: string): Instruction {
  check(path !== '', 'workdir: the path is empty')
  return { kind: 'workdir', path }
}

/** `name`, `uid`, `name:group` or `uid:gid`. */
export function user(name: string): Instruction {
  check(/^[^:\s]+(:[^:\s]+)?$/.test(name), `user: '${name}' is not user or user:group`)
  return { kind: 'user', user: name }
}

/** Ports it listens on: `80`, `53/udp`. */
export function expose(...ports: readonly (number | string)[]): Instruction {
  return {
    kind: 'expose',
    ports: ports.map((port) => {
      const match = /^([0-9]{1,5})(?:\/(tcp|udp|sctp))?$/.exec(String(port))
      const number = Number(match?.[1])
      check(number >= 1 && number <= 65_535, `expose: '${port}' is not a port`)
      return `${number}/${match?.[2] ?? 'tcp'}`
    }),
  }
}

/** Directories a container keeps outside its own filesystem. */
export function volume(...paths: readonly string[]): Instruction {
  for (const path of paths) check(path.startsWith('/'), `volume: '${path}' is not absolute`)
  return { kind: 'volume', paths: [...paths] }
}

/** The signal that asks it to stop: `SIGTERM`, `9`. */
export function stopsignal(signal: string): Instruction {
  check(
    /^(SIG[A-Z0-9+-]+|[0-9]{1,2})$/.test(signal),
    `stopsignal: '${signal}' is not a signal (SIGTERM, 15)`,
  )
  return { kind: 'stopsignal', signal }
}

function copyOf(command: Command): Command {
  return typeof command === 'string' ? command : [...command]
}

function check(holds: boolean, why: string): void {
  if (!holds) throw new PlinthError('RECIPE_INVALID', why)
}
