import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { builtPlinth } from './plinth.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** plinth as npm would install it: what its package holds, and its dependencies. */
export interface Installed extends Disposable {
  readonly directory: string
  /** the command line's path */
  readonly binary: string
}

/** Copies what is built to where every user can read it. */
export async function installPlinth(): Promise<Installed> {
  await builtPlinth()
  const directory = mkdtempSync(path.join(tmpdir(), 'plinth-installed-'))
  chmodSync(directory, 0o755)
  const lock = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { readonly dev?: boolean }>
  }
  const modules = Object.keys(lock.packages).filter(
    (name) => name !== '' && lock.packages[name]?.dev !== true,
  )
  for (const name of ['package.json', 'dist', 'recipes', ...modules]) {
    const from = path.join(root, name)
    // an optional dependency may be missing
    if (!existsSync(from)) continue
    cpSync(from, path.join(directory, name), { recursive: true, force: true, dereference: true })
  }
  spawnSync('chmod', ['-R', 'a+rX', directory])
  return {
    directory,
    binary: path.join(directory, 'dist', 'cli', 'main.js'),
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  }
}
