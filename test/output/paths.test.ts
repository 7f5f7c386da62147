import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { archive } from '../../src/output/archive.ts'
import { directory } from '../../src/output/directory.ts'
import { ociLayout } from '../../src/output/oci-layout.ts'
import { rootfsTar } from '../../src/output/rootfs-tar.ts'
import { outputContract } from '../contract/output.ts'

const file = (path: string): Promise<void> => writeFile(path, 'mine')

outputContract({ name: 'archive()', ending: '.tar', open: (path) => archive(path), occupy: file })
outputContract({
  name: 'rootfsTar()',
  ending: '.tar',
  open: (path) => rootfsTar(path),
  occupy: file,
})
outputContract({
  name: 'rootfsTar() with gzip',
  ending: '.tar.gz',
  open: (path) => rootfsTar(path),
  occupy: file,
})
outputContract({
  name: 'ociLayout()',
  ending: '',
  open: (path) => ociLayout(path),
  occupy: async (path) => {
    await mkdir(join(path, 'blobs', 'sha256'), { recursive: true })
    await writeFile(join(path, 'oci-layout'), '{"imageLayoutVersion": "1.0.0"}')
    await writeFile(join(path, 'index.json'), '{"schemaVersion":2,"manifests":[]}')
  },
})
outputContract({
  name: 'directory()',
  ending: '',
  open: (path) => directory(path),
  occupy: async (path) => {
    await mkdir(path)
  },
})
