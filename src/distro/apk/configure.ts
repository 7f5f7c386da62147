import type { ScriptType } from '../../apk/package-file.ts'
import type { Entry } from '../../entry.ts'
import { PlinthError } from '../../errors.ts'
import type { Workspace } from '../../ports.ts'
import type { Tree } from '../../rootfs/tree.ts'
import { realPath } from './directories.ts'
import type { OpenedApk } from './opened.ts'

/** A line some script wrote. */
type OnLine = (stream: 'stdout' | 'stderr', line: string) => void

/** Runs packages' scripts in a workspace, called and in surroundings as by apk 2.14. */
export class Scripts {
  readonly #epoch: number
  readonly #onLine: OnLine

  constructor(options: { readonly epoch: number; readonly onLine: OnLine }) {
    this.#epoch = options.epoch
    this.#onLine = options.onLine
  }

  /**
   * Runs a package's script of this type, which it must have; triggers are given the directories they are for.
   * Throws `SCRIPT_FAILED` naming the package, with the end of its output in `facts.output`.
   */
  async run(
    { part, pkg }: OpenedApk,
    type: ScriptType,
    workspace: Workspace,
    directories?: readonly string[],
  ): Promise<void> {
    const path = scriptPath({ part, pkg }, type)
    const { code, output } = await this.#run(workspace, [path, ...(directories ?? [part.version])])
    if (code === 0) return
    const tail = output.slice(-20)
    throw new PlinthError(
      'SCRIPT_FAILED',
      `cannot configure ${part.name}: its ${type} failed (exit code ${code})\n${tail.map((line) => `  | ${line}`).join('\n')}`,
      {
        hint: "the lines above are what it said; leave the package out, report it to its maintainer, or build with scripts: 'off'",
        facts: { package: part.name, script: type, exitCode: code, output: tail },
      },
    )
  }

  /** Runs a hook that packages installed for the time after a transaction; the status it ended with. */
  async hook(path: string, workspace: Workspace): Promise<number> {
    return (await this.#run(workspace, [path, 'post-commit'])).code
  }

  async #run(
    workspace: Workspace,
    argv: readonly [string, ...string[]],
  ): Promise<{ readonly code: number; readonly output: readonly string[] }> {
    const output: string[] = []
    const status = await workspace.run({
      argv,
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', SOURCE_DATE_EPOCH: String(this.#epoch) },
      network: 'none',
      onLine: (stream, line) => {
        output.push(line)
        if (output.length > 200) output.shift()
        this.#onLine(stream, line)
      },
    })
    return { code: status.code, output }
  }
}

/** Where apk puts scripts to run them; relative to the root, as scripts see it in `$0`. */
const home = 'lib/apk/exec'

function scriptPath({ part }: Pick<OpenedApk, 'part' | 'pkg'>, type: ScriptType): string {
  return `${home}/${part.name}-${part.version}.${type}`
}

/** The scripts that installing runs. */
const installing: readonly ScriptType[] = ['pre-install', 'post-install', 'trigger']

/** Whether a package has a script of this type. */
export function hasScript({ scripts }: OpenedApk, type: ScriptType): boolean {
  return scripts.some((one) => one.type === type)
}

/** Whether installing a package runs something of its own. */
export function runsScripts(one: OpenedApk): boolean {
  return (
    installing.some((type) => hasScript(one, type)) ||
    one.files.some(({ entry }) => isHook(entry.path))
  )
}

/** Whether apk runs what is at a path when a transaction is done. */
export function isHook(path: string): boolean {
  return /^etc\/apk\/commit_hooks\.d\/[^/.][^/]*$/.test(path)
}

/** The directory of scripts while they run, as apk makes it before the first where no package has it. */
export function scriptDirectory(tree: Tree, mtime: number): Entry | undefined {
  const path = realPath(tree, home) ?? home
  if (tree.has(path)) return undefined
  return { type: 'directory', path, mode: 0o700, uid: 0, gid: 0, mtime }
}

/** The scripts of packages where they are run from. */
export function scriptEntries(
  packages: readonly OpenedApk[],
  tree: Tree,
  mtime: number,
): readonly Entry[] {
  return packages.flatMap((one) =>
    one.scripts
      .filter(({ type }) => installing.includes(type))
      .map(({ type, bytes }): Entry => {
        const named = scriptPath(one, type)
        return {
          type: 'file',
          path: realPath(tree, named) ?? named,
          mode: 0o755,
          uid: 0,
          gid: 0,
          mtime,
          size: bytes.length,
          content: { kind: 'bytes', bytes },
        }
      }),
  )
}
