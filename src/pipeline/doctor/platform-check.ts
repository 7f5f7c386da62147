import type { Entry } from '../../entry.ts'
import { exitProgram, exitProgramCode } from '../../executor/native/exit-program.ts'
import type { Platform } from '../../platform.ts'
import type { Executor, Workspace } from '../../ports.ts'
import type { Finding } from './finding.ts'
import { installHint } from './install-hint.ts'

const architectures = ['amd64', 'arm64', '386', 'arm', 'riscv64', 'ppc64le', 's390x']

/** Runs the smallest program there is in a workspace: of this machine's platform, then of every other. */
export async function checkPlatforms(
  platform: Platform,
  executor: Executor,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const own = platform.split('/')[1]!
  const entries = architectures.map((architecture): Entry => {
    const bytes = exitProgram(architecture)!
    const metadata = { path: architecture, mode: 0o755, uid: 0, gid: 0, mtime: 0 }
    return { ...metadata, type: 'file', size: bytes.length, content: { kind: 'bytes', bytes } }
  })
  await using workspace = await executor.open(entries, { signal })
  const works = new Set<string>()
  for (const architecture of architectures) {
    if (await runs(architecture, workspace)) works.add(architecture)
  }
  const others = architectures.filter((one) => one !== own)
  const running = others.filter((one) => works.has(one))
  const missing = others.filter((one) => !works.has(one))
  const list = (words: readonly string[]): string => words.map((word) => `linux/${word}`).join(', ')
  return [
    exitProgram(own) === undefined || works.has(own)
      ? { name: 'run', state: 'ok', detail: `programs of ${platform} run in a workspace` }
      : {
          name: 'run',
          state: 'failed',
          detail: `a program of ${platform} does not run in a workspace`,
        },
    missing.length === 0
      ? { name: 'platforms', state: 'ok', detail: `${list(running)} run, too` }
      : {
          name: 'platforms',
          state: 'absent',
          detail:
            running.length === 0
              ? `only ${platform} runs: no other is known to the kernel (binfmt_misc)`
              : `${list(running)} run, too; not ${list(missing)}`,
          hint: `what runs nothing can be built for other platforms all the same; for the rest: ${await installHint('qemu')}`,
        },
  ]
}

async function runs(architecture: string, workspace: Workspace): Promise<boolean> {
  const { code } = await workspace.run({ argv: [`/${architecture}`], env: {}, onLine() {} })
  return code === exitProgramCode
}
