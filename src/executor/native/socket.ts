import { closeSync, constants, openSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { basename, dirname } from 'node:path'

/** A socket that passes on what it is told. */
export interface Forwarder {
  close(): Promise<void>
}

/**
 * Makes a unix socket at `at` whose connections go to the one at `path`: with an owner and a mode of its
 * own, which a mount of the original could not have.
 */
export async function forwardSocket(path: string, at: string): Promise<Forwarder> {
  const open = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (inside) => {
    const outside = connect({ path, allowHalfOpen: true })
    for (const [from, to] of [
      [inside, outside],
      [outside, inside],
    ] as const) {
      open.add(from)
      from.once('close', () => open.delete(from))
      from.on('error', () => {
        from.destroy()
        to.destroy()
      })
      from.pipe(to)
    }
  })
  // an address has 107 bytes at most, a store's path may have more; closing removes the socket by the same name
  const directory = openSync(dirname(at), constants.O_RDONLY | constants.O_DIRECTORY)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(`/proc/self/fd/${directory}/${basename(at)}`, resolve)
  }).catch((error: unknown) => {
    closeSync(directory)
    throw error
  })
  return {
    async close() {
      for (const socket of open) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
      closeSync(directory)
    },
  }
}
