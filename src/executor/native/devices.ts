import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The devices a process sees; the files are those of the host, bound over empty ones. */
export const devices = ['null', 'zero', 'full', 'random', 'urandom', 'tty'] as const

const links = {
  ptmx: 'pts/ptmx',
  fd: '/proc/self/fd',
  stdin: '/proc/self/fd/0',
  stdout: '/proc/self/fd/1',
  stderr: '/proc/self/fd/2',
} as const

/** Makes the directory, not there yet, that a view has as `/dev`: calls instead of the processes a tmpfs would need. */
export function writeDevices(directory: string): void {
  const make = (name: string): void => {
    mkdirSync(join(directory, name))
    // whatever the umask is
    chmodSync(join(directory, name), 0o755)
  }
  make('')
  make('pts')
  make('shm')
  for (const name of devices) writeFileSync(join(directory, name), '')
  for (const [name, target] of Object.entries(links)) symlinkSync(target, join(directory, name))
}
