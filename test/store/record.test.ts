import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { sha256 } from '../../src/digest.ts'
import { readRecord, writeRecord } from '../../src/store/record.ts'
import { random } from '../support/random.ts'
import { scratchStore } from '../support/scratch.ts'
import { codeOf } from '../support/streams.ts'

const value = { rows: [['file', 'ü\n', 1]], none: null }

test('readRecord() gives what writeRecord() kept', async () => {
  const store = await scratchStore()
  expect(await readRecord(store, 'kind', 'key')).toBe(undefined)
  await writeRecord(store, 'kind', 'key', { other: 1 })
  await writeRecord(store, 'kind', 'key', value)
  expect(await readRecord(store, 'kind', 'key')).toEqual(value)
  expect(await readRecord(store, 'other', 'key')).toBe(undefined)
  expect(readdirSync(path.join(store.root, 'tmp'))).toEqual([])
})

test('readRecord() takes a damaged record for none', async () => {
  const store = await scratchStore()
  await writeRecord(store, 'kind', 'key', value)
  const file = path.join(store.root, 'cache/kind/key')
  const whole = readFileSync(file)
  const dice = random(1)
  for (let length = 0; length < whole.length; length++) {
    writeFileSync(file, whole.subarray(0, length))
    expect(await readRecord(store, 'kind', 'key')).toBe(undefined)
    const flipped = Buffer.from(whole)
    flipped[length]! ^= 1 << dice.int(7)
    writeFileSync(file, flipped)
    expect(await readRecord(store, 'kind', 'key')).toBe(undefined)
  }
  writeFileSync(file, `${sha256('not json')}\nnot json`)
  expect(await readRecord(store, 'kind', 'key')).toBe(undefined)
})

test('writeRecord() that cannot leaves nothing behind', async () => {
  const store = await scratchStore()
  mkdirSync(path.join(store.root, 'cache/kind/key/in the way'), { recursive: true })
  expect(await codeOf(writeRecord(store, 'kind', 'key', value))).toBe('IO')
  expect(readdirSync(path.join(store.root, 'tmp'))).toEqual([])
})
