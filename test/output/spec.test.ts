import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { openOutput, parseOutput } from '../../src/output/spec.ts'

describe('parseOutput()', () => {
  test.each([
    { text: 'image.tar', spec: { type: 'archive', dest: 'image.tar' } },
    { text: '-', spec: { type: 'archive', dest: '-' } },
    { text: 'out/layout/', spec: { type: 'oci', dest: 'out/layout' } },
    { text: '/', spec: { type: 'oci', dest: '/' } },
    { text: 'a,b.tar', spec: { type: 'archive', dest: 'a,b.tar' } },
    { text: 'dest=image.tar', spec: { type: 'archive', dest: 'image.tar' } },
    { text: 'type=docker,dest=image', spec: { type: 'archive', dest: 'image' } },
    { text: 'type=docker,dest=-', spec: { type: 'archive', dest: '-' } },
    { text: 'type=oci,dest=layout', spec: { type: 'oci', dest: 'layout' } },
    { text: 'type=oci,dest=x.tar', spec: { type: 'archive', dest: 'x.tar' } },
    { text: 'type=oci,tar,dest=x', spec: { type: 'archive', dest: 'x' } },
    { text: 'type=oci,tar=false,dest=x.tar', spec: { type: 'oci', dest: 'x.tar' } },
    {
      text: 'type=rootfs,dest=r.tar',
      spec: { type: 'rootfs', dest: 'r.tar', compression: 'none' },
    },
    {
      text: 'type=rootfs,dest=r.tar.gz',
      spec: { type: 'rootfs', dest: 'r.tar.gz', compression: 'gzip' },
    },
    {
      text: 'dest=r,compression=gzip,type=rootfs',
      spec: { type: 'rootfs', dest: 'r', compression: 'gzip' },
    },
    { text: 'type=dir,dest=root', spec: { type: 'dir', dest: 'root' } },
    { text: 'type=dir,"dest=a,""b"""', spec: { type: 'dir', dest: 'a,"b"' } },
    { text: 'type=dir,dest=a=b', spec: { type: 'dir', dest: 'a=b' } },
  ])('reads $text', ({ text, spec }) => {
    expect(parseOutput(text)).toEqual(spec)
  })

  test.each([
    '',
    'image',
    'image.tar.gz',
    'type=docker',
    'type=dir,dest=',
    'type=dir,dest=-',
    'type=tarball,dest=x',
    'type=oci,dest=x,destination=y',
    'type=oci,type=dir,dest=x',
    'type=oci,tar=maybe,dest=x',
    'type=oci,tar=false,dest=-',
    'type=docker,tar,dest=x',
    'type=docker,dest=x,compression=gzip',
    'type=rootfs,dest=x,compression=zip',
    'type=dir,"dest=x',
  ])('refuses %s and says what it knows', (text) => {
    expect(() => parseOutput(text)).toThrow(
      expect.objectContaining({
        code: 'OUTPUT_INVALID',
        hint: expect.stringMatching(/write|double/),
      }),
    )
  })
})

test.each([
  { text: 'x.tar', name: 'archive' },
  { text: 'x/', name: 'oci' },
  { text: 'type=rootfs,dest=-', name: 'rootfs' },
  { text: 'type=dir,dest=x', name: 'dir' },
])('openOutput() opens $text as $name', ({ text, name }) => {
  expect(openOutput(parseOutput(text), { stdout: new PassThrough() }).name).toBe(name)
})
