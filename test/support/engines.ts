import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { sha256 } from '../../src/digest.ts'
import type { PrivateDockerd } from './dockerd.ts'

const execute = promisify(execFile)

/** Runs a command; resolves with its standard output, rejects with what it said. */
export async function run(command: string, ...argv: readonly string[]): Promise<string> {
  const { stdout } = await execute(command, argv, { encoding: 'utf8', maxBuffer: 64 << 20 })
  return stdout
}

/** What every engine said about one archive. */
export interface Verdicts {
  /** manifest digest, as skopeo finds it in the archive read as an OCI layout and in its copies */
  readonly manifest: {
    readonly ociArchive: string
    readonly ociArchiveCopy: string
    readonly ociCopy: string
    readonly umoci: string
  }
  /** image id: the config's digest */
  readonly imageId: {
    readonly manifest: string
    readonly dockerArchive: string
    readonly docker: string | undefined
  }
  /** name docker gave it */
  readonly dockerTags: readonly string[]
}

/**
 * Hands an archive to every loader: skopeo as `oci-archive:` and `docker-archive:`, copied by it to both
 * and to an OCI layout, unpacked from there by umoci, and `docker load`ed when `dockerd` is given.
 * Rejects when one of them refuses; `onUnpacked` sees umoci's root filesystem before it is removed.
 */
export async function acceptedByEveryEngine(
  archive: string,
  options: {
    readonly dockerd?: PrivateDockerd | undefined
    readonly onUnpacked?: (rootfs: string) => Promise<void>
  } = {},
): Promise<Verdicts> {
  const work = await mkdtemp(join(tmpdir(), 'engines-'))
  try {
    const inspect = async (image: string): Promise<string> =>
      sha256(await run('skopeo', 'inspect', '--raw', image))
    await run('skopeo', 'inspect', `oci-archive:${archive}`)
    await run('skopeo', 'inspect', `docker-archive:${archive}`)

    const copy = join(work, 'copy.tar')
    const dockerCopy = join(work, 'docker.tar')
    const layout = join(work, 'layout')
    await run('skopeo', 'copy', `oci-archive:${archive}`, `oci-archive:${copy}:copied`)
    await run(
      'skopeo',
      'copy',
      `docker-archive:${archive}`,
      `docker-archive:${dockerCopy}:copied:latest`,
    )
    await run('skopeo', 'copy', `oci-archive:${archive}`, `oci:${layout}:copied`)

    const bundle = join(work, 'bundle')
    await run('umoci', 'unpack', '--image', `${layout}:copied`, bundle)
    await options.onUnpacked?.(join(bundle, 'rootfs'))

    const raw = JSON.parse(
      await run('skopeo', 'inspect', '--raw', `oci-archive:${archive}`),
    ) as Manifest
    const docker = JSON.parse(
      await run('skopeo', 'inspect', '--raw', `docker-archive:${dockerCopy}`),
    ) as Manifest
    return {
      manifest: {
        ociArchive: await inspect(`oci-archive:${archive}`),
        ociArchiveCopy: await inspect(`oci-archive:${copy}`),
        ociCopy: await inspect(`oci:${layout}:copied`),
        umoci: await unpackedFrom(bundle),
      },
      imageId: {
        manifest: raw.config.digest,
        dockerArchive: docker.config.digest,
        docker: options.dockerd && (await loadedId(archive, options.dockerd)),
      },
      dockerTags: options.dockerd ? await tagsOf(raw.config.digest, options.dockerd) : [],
    }
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

interface Manifest {
  readonly config: { readonly digest: string }
}

async function loadedId(archive: string, { docker }: PrivateDockerd): Promise<string> {
  const said = await docker('load', '--input', archive)
  const name = /Loaded image(?: ID)?: (\S+)/.exec(said)?.[1]
  if (name === undefined) throw new Error(`docker load said: ${said}`)
  return docker('image', 'inspect', '--format', '{{.Id}}', name)
}

async function tagsOf(id: string, { docker }: PrivateDockerd): Promise<string[]> {
  return JSON.parse(
    await docker('image', 'inspect', '--format', '{{json .RepoTags}}', id),
  ) as string[]
}

/** The manifest umoci says a bundle came from. */
async function unpackedFrom(bundle: string): Promise<string> {
  const { from_descriptor_path: from } = JSON.parse(
    await readFile(join(bundle, 'umoci.json'), 'utf8'),
  ) as {
    from_descriptor_path: { descriptor_walk: { digest: string }[] }
  }
  return from.descriptor_walk.at(-1)?.digest ?? ''
}
