import { parsePorts } from '../dockerfile/ports.ts'
import { isSignal } from '../dockerfile/values.ts'
import type { Command, Instruction } from '../instruction.ts'
import { check, copyOf } from './instruction-check.ts'

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

/** Ports it listens on: `80`, `53/udp`, `8000-8010`. */
export function expose(...ports: readonly (number | string)[]): Instruction {
  return {
    kind: 'expose',
    ports: ports.flatMap((port) => {
      const exposed = parsePorts(String(port))
      const fits = typeof exposed === 'object' && !exposed.published
      check(fits && !exposed.ports[0]?.startsWith('0'), `expose: '${port}' is not a port`)
      return typeof exposed === 'object' ? exposed.ports : []
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
  check(isSignal(signal), `stopsignal: '${signal}' is not a signal (SIGTERM, 15)`)
  return { kind: 'stopsignal', signal }
}

/** A variable of the build: `run` sees it, the image does not keep it; `--build-arg` gives it another value. */
export function arg(name: string, value?: string): Instruction {
  check(/^[^=\0\s]+$/.test(name), `arg: '${name}' is not a variable name`)
  return { kind: 'arg', args: [value === undefined ? { name } : { name, value }] }
}

/** What commands given as a string run in; default `/bin/sh -c`. */
export function shell(command: readonly string[]): Instruction {
  check(Array.isArray(command) && command.length > 0, "shell: it is a list: ['/bin/bash', '-c']")
  return { kind: 'shell', command: [...command] }
}
