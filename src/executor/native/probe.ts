import { isPlinthError } from '../../errors.ts'
import type { Event } from '../../events.ts'
import { nativeExecutor, type NativeDeps } from './executor.ts'
import { runTool } from './process.ts'
import { findTools } from './tools.ts'
import { openHolder } from './holder.ts'
import { choosePlace, forgetPlace } from './scratch.ts'

/** One thing the native executor needs, tried on this machine. */
export interface Finding {
  readonly name: 'programs' | 'namespaces' | 'ids' | 'storage' | 'run'
  /** `degraded`: it works, with less */
  readonly state: 'ok' | 'degraded' | 'failed'
  readonly detail: string
  readonly hint?: string | undefined
}

/**
 * Tries everything the executor does, by doing it in a workspace that is thrown away. Stops at the first
 * thing without which nothing else works. Never throws for what the machine lacks.
 */
export async function probeNative(deps: NativeDeps): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const probe of [probePrograms, probeHolder, probeRun]) {
    try {
      findings.push(...(await probe(deps)))
    } catch (error) {
      if (!isPlinthError(error)) throw error
      const { message: detail, hint } = error
      return [...findings, { name: probedBy.get(probe)!, state: 'failed', detail, hint }]
    }
    if (findings.some(({ state }) => state === 'failed')) return findings
  }
  return findings
}

/** The host's programs, and that tar is the one whose options are used. */
export async function probePrograms(deps: Pick<NativeDeps, 'path'>): Promise<readonly Finding[]> {
  const tools = await findTools(deps.path)
  const { stdout } = await runTool([tools.tar, '--version'], { env: tools.env, output: 'keep' })
  if (!stdout.toString().includes('GNU tar')) {
    const hint = 'install GNU tar: apt install tar, or apk add tar'
    return [{ name: 'programs', state: 'failed', detail: `${tools.tar} is not GNU tar`, hint }]
  }
  return [{ name: 'programs', state: 'ok', detail: 'util-linux and GNU tar are there' }]
}

/** Namespaces, the ids in them, and whether an overlay can be mounted. */
export async function probeHolder(deps: NativeDeps): Promise<readonly Finding[]> {
  const warnings: (Event & { readonly type: 'warning' })[] = []
  const emit = (event: Event): void => {
    if (event.type === 'warning') warnings.push(event)
  }
  const tools = await findTools(deps.path)
  const place = await choosePlace(0, {
    store: deps.store,
    memory: deps.memory,
    userNamespace: deps.uid !== 0,
  })
  const holder = await openHolder(place, { tools, uid: deps.uid, emit }).catch(
    async (error: unknown) => {
      await forgetPlace(place)
      throw error
    },
  )
  try {
    const { storage, why } = await holder.mount(
      deps.storage === 'copy' ? undefined : ['data/lower'],
    )
    const [warning] = warnings
    const count = holder.ids.uids.reduce((sum, range) => sum + range.count, 0)
    return [
      { name: 'namespaces', state: 'ok', detail: 'mount, pid, ipc, uts and network' },
      warning
        ? { name: 'ids', state: 'degraded', detail: warning.message, hint: warning.hint }
        : { name: 'ids', state: 'ok', detail: `${count} user ids` },
      storage === 'overlay'
        ? { name: 'storage', state: 'ok', detail: 'overlay' }
        : {
            name: 'storage',
            state: 'degraded',
            detail: `copy: no overlay can be mounted: ${why.trim()}`,
            hint: 'a file system other than overlay or NFS under the store, and Linux 5.11, allow it',
          },
    ]
  } finally {
    await holder.close()
  }
}

/** A whole workspace: enters it and starts a program, which an empty tree has not. */
export async function probeRun(deps: NativeDeps): Promise<readonly Finding[]> {
  const { signal } = new AbortController()
  const lines: string[] = []
  const executor = nativeExecutor({ ...deps, emit() {} })
  await using workspace = await executor.open([], { signal })
  const onLine = (_: string, line: string): void => void lines.push(line)
  const { code } = await workspace.run({ argv: ['/plinth-probe'], env: {}, onLine })
  if (code === 127) return [{ name: 'run', state: 'ok', detail: 'processes can be started' }]
  return [{ name: 'run', state: 'failed', detail: lines.join('; ') || `exit code ${code}` }]
}

const probedBy = new Map<unknown, Finding['name']>([
  [probePrograms, 'programs'],
  [probeHolder, 'namespaces'],
  [probeRun, 'run'],
])
