import { chmod, chown, mkdir } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { digestHex, sha256 } from '../../digest.ts'
import type { Entry } from '../../entry.ts'
import { PlinthError } from '../../errors.ts'
import type { Run, RunMount } from '../../instruction.ts'
import { nearest } from '../../nearest.ts'
import type { Mount } from '../../ports.ts'
import { lockFile, tryLockFile } from '../../store/file-lock.ts'
import { filesOf, listing, sourceRoot } from './copy-step.ts'
import type { StepDeps } from './deps.ts'
import { selectFiles } from './select.ts'

/** What a RUN sees besides its root filesystem. */
export interface PreparedMounts {
  /** what of it decides the result: neither what is in caches nor what secrets are */
  readonly key: unknown
  /** Makes it ready; leaving its scope lets others have what was locked. */
  open(): Promise<OpenMounts>
}

interface OpenMounts extends AsyncDisposable {
  readonly mounts: readonly Mount[]
  /** secrets given as variables */
  readonly env: Readonly<Record<string, string>>
  /** A line of output with secrets' values made unreadable. */
  mask(line: string): string
}

/** One mount: its part of the key, and how it is made. */
interface Prepared {
  readonly key: unknown
  open(held: AsyncDisposableStack, secrets: Secrets): Promise<Mount | undefined>
}

interface Secrets {
  readonly env: Map<string, string>
  readonly values: Set<string>
}

/**
 * The mounts of a RUN. Throws `SECRET_MISSING` where a required secret or agent was not given, and what finding
 * the files of a bind throws.
 */
export async function prepareMounts(
  { mounts }: Run,
  workingDirectory: string,
  deps: StepDeps,
): Promise<PreparedMounts> {
  const prepared: Prepared[] = []
  for (const mount of mounts) prepared.push(await prepare(mount, workingDirectory, deps))
  return {
    key: prepared.map(({ key }) => key),
    async open() {
      await using held = new AsyncDisposableStack()
      const secrets: Secrets = { env: new Map(), values: new Set() }
      const opened: Mount[] = []
      for (const one of prepared) {
        const mount = await one.open(held, secrets)
        if (mount !== undefined) opened.push(mount)
      }
      const kept = held.move()
      return {
        mounts: opened,
        env: Object.fromEntries(secrets.env),
        mask: masker(secrets.values),
        [Symbol.asyncDispose]: () => kept.disposeAsync(),
      }
    },
  }
}
