import { mkdtemp, readdir, readFile, readlink, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PlinthError } from '../../src/errors.ts'
import type { Image } from '../../src/image.ts'
import { encodeImage } from '../../src/oci/encode-image.ts'
import { archive } from '../../src/output/archive.ts'
import { dockerLoad } from '../../src/output/docker-load.ts'
import { ociLayout } from '../../src/output/oci-layout.ts'
import { rootfsTar } from '../../src/output/rootfs-tar.ts'
import type { OutputDeps, Store } from '../../src/ports.ts'
import { parseImageName } from '../../src/reference.ts'
import { openStore } from '../../src/store/store.ts'
import { startDockerd, type PrivateDockerd } from '../support/dockerd.ts'
import { acceptedByEveryEngine, run } from '../support/engines.ts'
import {
  device,
  dir,
  epoch,
  fifo,
  file,
  hardlink,
  link,
  makeImage,
  whiteout,
} from '../support/layer.ts'
import { needs } from '../support/needs.ts'
import { readXattrs } from '../support/xattrs.ts'

const longName = `usr/share/${'long-name-'.repeat(12)}/${'ü'.repeat(60)}`

/** A small root filesystem with everything a layer can hold, and a second layer that takes some of it away. */
async function busyboxImage(store: Store): Promise<Image> {
  const busybox = await readFile('/bin/busybox')
  const xattrs = new Map([['user.plinth', Buffer.from([0xff, 0x00, 0xfe, 0x3d, 0x0a])]])
  return makeImage(
    store,
    [
      dir('bin'),
      file('bin/busybox', busybox, { mode: 0o755 }),
      hardlink('bin/cat', 'bin/busybox', { mode: 0o755 }),
      link('bin/sh', 'busybox'),
      file('bin/su', '#!/bin/sh\n', { mode: 0o4755 }),
      dir('dev'),
      device('dev/null', 1, 3),
      dir('etc'),
      file('etc/attributed', 'x', { xattrs }),
      file('etc/gone', 'must not be seen'),
      file('etc/replaced', 'old'),
      dir('run'),
      fifo('run/pipe'),
      dir('srv'),
      file('srv/below', 'must not be seen'),
      dir('tmp', { mode: 0o1777 }),
      dir('usr'),
      dir('usr/share'),
      dir(longName.slice(0, longName.lastIndexOf('/'))),
      file(longName, 'long'),
    ],
    [
      dir('etc'),
      whiteout('etc/gone'),
      file('etc/replaced', 'new', { mode: 0o600, uid: 33, gid: 33, mtime: epoch - 5 }),
      whiteout('srv'),
    ],
  )
}

const available = needs('linux', 'root', 'docker', 'skopeo', 'umoci', 'busybox').available

describe.skipIf(!available)('an archive is the same image to every engine', () => {
  let work: string
  let store: Store
  let image: Image
  let dockerd: PrivateDockerd
  let path: string
  let deps: OutputDeps

  beforeAll(async () => {
    work = await mkdtemp(join(tmpdir(), 'loaders-'))
    store = await openStore(join(work, 'store'))
    image = await busyboxImage(store)
    deps = {
      store,
      names: [parseImageName('plinth/test:e2e')],
      emit: () => {},
      signal: new AbortController().signal,
    }
    path = join(work, 'image.tar')
    await archive(path).write(image, deps)
    dockerd = await startDockerd()
  })
  afterAll(async () => {
    await dockerd?.[Symbol.asyncDispose]()
    await rm(work, { recursive: true, force: true })
  })

  test('skopeo, umoci and docker take it, and agree on its digests', async () => {
    const { manifest, config } = encodeImage(image)
    const seen: Record<string, unknown> = {}
    const verdicts = await acceptedByEveryEngine(path, {
      dockerd,
      onUnpacked: async (root) => {
        const [su, replaced, busybox, cat] = await Promise.all(
          ['bin/su', 'etc/replaced', 'bin/busybox', 'bin/cat'].map((name) =>
            stat(join(root, name)),
          ),
        )
        Object.assign(seen, {
          etc: await readdir(join(root, 'etc')),
          top: await readdir(root),
          su: su!.mode & 0o7777,
          replaced: [
            replaced!.mode & 0o7777,
            replaced!.uid,
            replaced!.gid,
            replaced!.mtimeMs / 1000,
          ],
          linked: busybox!.ino === cat!.ino,
          sh: await readlink(join(root, 'bin/sh')),
          long: await readFile(join(root, longName), 'utf8'),
          null: (await stat(join(root, 'dev/null'))).rdev,
          pipe: (await stat(join(root, 'run/pipe'))).isFIFO(),
          xattrs: await readXattrs(join(root, 'etc/attributed')),
        })
      },
    })
    const digest = manifest.descriptor.digest
    expect(verdicts).toEqual({
      manifest: { ociArchive: digest, ociArchiveCopy: digest, ociCopy: digest, umoci: digest },
      imageId: {
        manifest: config.descriptor.digest,
        dockerArchive: config.descriptor.digest,
        docker: config.descriptor.digest,
      },
      dockerTags: ['plinth/test:e2e'],
    })
    expect(seen).toEqual({
      etc: ['attributed', 'replaced'],
      top: ['bin', 'dev', 'etc', 'run', 'tmp', 'usr'],
      su: 0o4755,
      replaced: [0o600, 33, 33, epoch - 5],
      linked: true,
      sh: 'busybox',
      long: 'long',
      null: (1 << 8) | 3,
      pipe: true,
      xattrs: { 'user.plinth': 'ff00fe3d0a' },
    })
  })

  test('a container of it runs, without what the second layer took away', async () => {
    await dockerd.docker('load', '--input', path)
    const script =
      'cat etc/replaced; ls /etc; test -u /bin/su && echo setuid; test -e /srv || echo no srv'
    const said = await dockerd.docker(
      'run',
      '--rm',
      '--network',
      'none',
      'plinth/test:e2e',
      'busybox',
      'sh',
      '-c',
      script,
    )
    // docker adds its own files to /etc
    expect(said.split('\n')).toEqual([
      'newattributed',
      'hostname',
      'hosts',
      'mtab',
      'replaced',
      'resolv.conf',
      'setuid',
      'no srv',
    ])
  })

  test('an OCI layout directory holds the same image', async () => {
    const layout = join(work, 'layout')
    await ociLayout(layout).write(image, deps)
    const inspected = JSON.parse(await run('skopeo', 'inspect', `oci:${layout}:e2e`)) as {
      Digest: string
    }
    expect(inspected.Digest).toBe(encodeImage(image).manifest.descriptor.digest)
    await run('umoci', 'unpack', '--image', `${layout}:e2e`, join(work, 'bundle'))
  })

  test('the root filesystem imports into docker as it is exported from it', async () => {
    const tar = join(work, 'rootfs.tar.gz')
    await rootfsTar(tar).write(image, deps)
    await dockerd.docker('import', tar, 'imported:latest')
    const said = await dockerd.docker(
      'run',
      '--rm',
      '--network',
      'none',
      'imported:latest',
      '/bin/busybox',
      'cat',
      '/etc/replaced',
    )
    expect(said).toBe('new')
  })

  test('dockerLoad() loads through the socket, under its names', async () => {
    const name = parseImageName('registry.example:5000/loaded:2')
    const lines: string[] = []
    await dockerLoad({ endpoints: ['unix:///nonexistent/docker.sock', dockerd.host] }).write(
      image,
      {
        ...deps,
        names: [name],
        emit: (event) => {
          if (event.type === 'output') lines.push(event.line)
        },
      },
    )
    expect(lines).toEqual([`Loaded image: ${name}`])
    const id = await dockerd.docker('image', 'inspect', '--format', '{{.Id}}', name)
    expect(id).toBe(encodeImage(image).config.descriptor.digest)
  })

  test('dockerLoad() shows why docker refuses an image', async () => {
    const [layer, ...others] = image.layers
    const wrong = encodeImage(image).manifest.descriptor.digest
    // a layer that is not its diff id: docker checks that after unpacking it
    const forged: Image = {
      ...image,
      layers: [{ ...layer!, diffId: wrong }, ...others],
      config: {
        ...image.config,
        rootfs: { type: 'layers', diff_ids: [wrong, ...others.map(({ diffId }) => diffId)] },
      },
    }
    const refused = dockerLoad({ endpoints: [dockerd.host] }).write(forged, { ...deps, names: [] })
    await expect(refused).rejects.toThrowError(/invalid diffID/)
    await expect(refused).rejects.toSatisfy(
      (error) => error instanceof PlinthError && error.code === 'ENGINE_REFUSED',
    )
  })
})
