import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { probeNative } from '../../src/executor/native/probe.ts'
import { openStore } from '../../src/store/store.ts'
import { needs } from '../support/needs.ts'

describe.skipIf(!needs('linux', 'newuidmap', 'user-namespaces').available)('probeNative()', () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'plinth-probe-'))
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  const probe = async (storage: 'overlay' | 'copy') =>
    probeNative({
      store: await openStore(directory),
      emit() {},
      uid: process.getuid!(),
      path: process.env['PATH'] ?? '',
      storage,
    })

  test('finds everything where everything is', async () => {
    const findings = await probe('overlay')
    expect(findings.map(({ name, state }) => `${name} ${state}`)).toEqual([
      'programs ok',
      'namespaces ok',
      'ids ok',
      'storage ok',
      'run ok',
    ])
  })

  test('says when it has to copy', async () => {
    const findings = await probe('copy')
    expect(findings.find(({ name }) => name === 'storage')).toMatchObject({ state: 'degraded' })
  })
})
