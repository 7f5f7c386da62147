import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { executorCases } from '../contract/executor-cases.ts'
import type { CaseResult, OpenResult, RunnerJob } from '../support/executor-runner.ts'
import { needs } from '../support/needs.ts'
import { compile, outputOf, testUser, type Compiled } from '../support/unprivileged.ts'

const { available } = needs('linux', 'root', 'busybox', 'newuidmap', 'user-namespaces')

describe.skipIf(!available)('the native executor as an ordinary user', () => {
  let compiled: Compiled
  let user: string

  beforeAll(() => {
    compiled = compile()
    user = testUser()
  })
  afterAll(() => compiled?.[Symbol.dispose]())

  async function opened(
    job: Omit<RunnerJob, 'job' | 'store'>,
    options: { readonly user: string; readonly shell?: string },
  ): Promise<OpenResult> {
    const store = compiled.storeFor(options.user)
    const { lines } = await outputOf(compiled.start({ ...job, job: 'open', store }, options))
    return JSON.parse(lines.at(-1) ?? '{}') as OpenResult
  }

  describe.each([
    { name: 'in memory', options: {} },
    { name: 'on disk', options: { memory: 0 } },
    { name: 'without overlay', options: { storage: 'copy' } },
  ] as const)('with subordinate ids, $name', ({ options }) => {
    let results: Map<string, CaseResult>

    beforeAll(async () => {
      const store = compiled.storeFor(user)
      const { lines } = await outputOf(compiled.start({ job: 'cases', store, options }, { user }))
      results = new Map(
        lines.map((line) => JSON.parse(line) as CaseResult).map((result) => [result.name, result]),
      )
    })

    test.each(executorCases)('$name', ({ name }) => {
      expect(results.get(name)).toEqual({ name })
    })
  })

  test('without subordinate ids a tree of root’s alone runs, with a warning', async () => {
    const result = await opened({ plain: true }, { user: 'nobody' })
    expect(result).toMatchObject({
      status: 0,
      warnings: [{ type: 'warning', code: 'SUBIDS_MISSING' }],
    })
    expect(result.warnings[0]).toHaveProperty('message', expect.stringContaining('/etc/subuid'))
  })

  test('without subordinate ids a tree with other owners is refused, with a way out', async () => {
    expect(await opened({}, { user: 'nobody' })).toMatchObject({
      code: 'SUBIDS_MISSING',
      message: expect.stringContaining('0:42'),
      hint: expect.stringContaining('--add-subuids'),
    })
  })

  test('where user namespaces are switched off the setting is named', async () => {
    const shell =
      'exec unshare -r sh -c \'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"\' sh "$@"'
    expect(await opened({ uid: 1000 }, { user, shell })).toMatchObject({
      code: 'NAMESPACE_UNAVAILABLE',
      message: expect.stringContaining('user.max_user_namespaces'),
      hint: expect.stringContaining('sysctl'),
    })
  })
})
