import { pathToFileURL } from 'node:url'
import { apk, cmd, defineRecipe, env } from 'plinth'
import { z } from 'zod'

export default defineRecipe({
  name: 'alpine',
  description: 'Alpine, as the official images have it',
  platforms: [
    'linux/amd64',
    'linux/arm64',
    'linux/arm/v7',
    'linux/arm/v6',
    'linux/386',
    'linux/ppc64le',
    'linux/riscv64',
    'linux/s390x',
  ],
  params: z.object({
    release: z
      .string()
      .regex(/^(v?\d+\.\d+|edge|latest-stable)$/, 'expected 3.22, edge or latest-stable')
      .default('3.22')
      .describe('the release: 3.22, edge, latest-stable'),
    include: z
      .array(z.string())
      .default([])
      .describe('further packages: name, name=1.2-r3, name~1.2, name@tag, !name to keep one away'),
    scripts: z
      .enum(['run', 'off'])
      .default('run')
      .describe("run the packages' own scripts, or none (as the official images are made)"),
    mirror: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe('instead of the usual mirror'),
    repositories: z
      .array(z.string())
      .default([])
      .describe('further repositories: an address, an absolute path, or either after @tag'),
    keys: z
      .array(z.string())
      .default([])
      .describe('files of further trusted keys, each called as its signatures call it (….rsa.pub)'),
  }),
  rootfs: ({ params }) => apk({ ...params, keys: params.keys.map((file) => pathToFileURL(file)) }),
  instructions: [
    env({ PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' }),
    cmd(['/bin/sh']),
  ],
})
