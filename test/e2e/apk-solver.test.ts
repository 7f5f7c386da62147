import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { alpineData, hostArch } from '../support/alpine.ts'
import { needs } from '../support/needs.ts'
import { runProcess } from '../support/plinth.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
// the scripts start the x86_64 apk
const available = needs('linux', 'alpine').available && hostArch === 'x86_64'

describe.skipIf(!available)("the choice is the real apk's", { timeout: 600_000 }, () => {
  let work: string
  beforeAll(() => {
    work = mkdtempSync(path.join(tmpdir(), 'plinth-test-'))
  })
  afterAll(() => rmSync(work, { recursive: true, force: true }))

  const compare = (script: string, ...args: readonly string[]) =>
    runProcess(
      [
        process.execPath,
        path.join(root, 'scripts/run.mjs'),
        path.join(root, 'scripts/compare', script),
        '--alpine',
        alpineData,
        ...args,
      ],
      { env: { TMPDIR: work } },
    )

  // made-up universes still differ in a few of a thousand: the script's usage says which
  test('on the real index, alone and with others beside it', async () => {
    const { code, stdout, stderr } = await compare('apk.ts', '--count', '40', '--generated', '0')
    expect(code, stdout + stderr).toBe(0)
    expect(stdout).toMatch(/ 40 requests, .* 0 different;/)
  })

  test('of the later of two versions', async () => {
    const { code, stdout, stderr } = await compare('apk-version.ts', '--count', '1000')
    expect(code, stdout + stderr).toBe(0)
    expect(stdout).toMatch(/ 1000 pairs, .* 0 different\n$/)
  })
})
