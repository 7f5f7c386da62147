import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { needs } from '../support/needs.ts'
import { runProcess } from '../support/plinth.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const available = needs('linux', 'root', 'mmdebstrap', 'apt-mirror').available

describe.skipIf(!available)("the tree is mmdebstrap's", { timeout: 600_000 }, () => {
  let work: string
  beforeAll(() => {
    work = mkdtempSync(path.join(tmpdir(), 'plinth-test-'))
  })
  afterAll(() => rmSync(work, { recursive: true, force: true }))

  const compare = (...args: readonly string[]) =>
    runProcess(
      [
        process.execPath,
        path.join(root, 'scripts/run.mjs'),
        path.join(root, 'scripts/compare/mmdebstrap.ts'),
        '--store',
        path.join(work, 'store'),
        ...args,
      ],
      { env: { TMPDIR: work } },
    )

  test.each(['bookworm', 'trixie'])('%s, minbase', async (suite) => {
    const { code, stdout, stderr } = await compare('--suite', suite, '--variant', 'minbase')
    expect(code, stdout + stderr).toBe(0)
    expect(stdout).toMatch(new RegExp(`^${suite} minbase: \\d{4,} paths, 0 differ\n$`))
  })
})
