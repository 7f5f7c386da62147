import { cmd, deb, defineRecipe, env } from 'plinth'
import { z } from 'zod'

export default defineRecipe({
  name: 'debian',
  description: 'Debian, configured by its own maintainer scripts',
  platforms: [
    'linux/amd64',
    'linux/arm64',
    'linux/arm/v7',
    'linux/386',
    'linux/ppc64le',
    'linux/riscv64',
    'linux/s390x',
  ],
  params: z.object({
    suite: z
      .enum(['bookworm', 'trixie', 'forky', 'sid', 'oldstable', 'stable', 'testing', 'unstable'])
      .default('trixie')
      .describe('the release, by its name or its role'),
    variant: z
      .enum(['essential', 'apt', 'minbase', 'buildd', 'important', 'standard', 'custom'])
      .default('minbase')
      .describe('the package set to start from; custom is include alone'),
    include: z
      .array(z.string())
      .default([])
      .describe('further packages: name, name=version, name/suite, name- to leave one out'),
    mirror: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe('instead of the usual mirror'),
  }),
  rootfs: ({ params }) => deb({ distro: 'debian', ...params }),
  instructions: [
    env({ PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' }),
    cmd(['bash']),
  ],
})
