import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { dockerExecutor } from '../../src/executor/docker/executor.ts'
import { parseEndpoint } from '../../src/output/engine-endpoint.ts'
import { openStore } from '../../src/store/store.ts'
import type { Store } from '../../src/ports.ts'
import { executorCases } from '../contract/executor-cases.ts'
import { startDockerd, type PrivateDockerd } from '../support/dockerd.ts'
import { needs } from '../support/needs.ts'

/** What Docker does its own way, and why that is so. */
const docker: Readonly<Record<string, string>> = {
  'a signal is reported by name': 'an engine tells the exit code alone',
  'a signal to its process group ends what runs, and nothing else':
    'an engine tells the exit code alone',
  'the environment is what was given and nothing else': 'HOSTNAME, HOME and PATH are always set',
  'the host is out of reach: no file of it, no process, no device':
    "where Docker's own mounts come from shows",
  'the host’s network comes with its resolv.conf and hosts, for that run only':
    "hosts is the machine's own",
  'faults: resolv.conf and hosts can be written and replaced by nothing but the run itself':
    'what a tree has there is never seen',
  'faults: a hostile run cannot mount, rename the machine or turn the kernel’s knobs':
    'PID 1 is the run itself',
  'mounts: no device can be opened in one': '/dev/zero is allowed',
  'written entries are seen by runs, stay in the tree and count as changes':
    'an empty sys is what Docker makes, too',
  'mounts: files in memory with their owners, gone afterwards':
    'what was made to mount on can be seen by later runs',
  'mounts: a socket of this machine': 'an engine may be elsewhere',
  'mounts: a tree, all of it or a part, read only or written to in vain': 'a volume is a directory',
  'mounts: targets follow links inside the tree and nowhere else':
    'what is made behind a link stays',
  'mounts: the root, and what is something else, are refused': 'a file in the way is mounted over',
  'mounts: what was made to mount on leaves nothing, not even a time':
    'directories get the time of the mount',
  'security: insecure keeps all capabilities and shows the kernel’s files':
    'an engine in a container has not all of them to give',
}

const { available } = needs('linux', 'root', 'busybox', 'dockerd')

describe.skipIf(!available)('the docker executor', () => {
  let engine: PrivateDockerd
  let directory: string
  let store: Store

  beforeAll(async () => {
    engine = await startDockerd()
    directory = await mkdtemp(join(tmpdir(), 'plinth-docker-'))
    store = await openStore(directory)
  }, 120_000)
  afterAll(async () => {
    await engine?.[Symbol.asyncDispose]()
    await rm(directory, { recursive: true, force: true })
  })

  test.each(executorCases.filter(({ name }) => docker[name] === undefined))(
    '$name',
    async (one) => {
      const executor = dockerExecutor({ store, endpoint: parseEndpoint(engine.host) })
      await one.run({ executor, store })
    },
    120_000,
  )
})
