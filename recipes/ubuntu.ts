import { cmd, deb, defineRecipe, env, label } from 'plinth'
import { z } from 'zod'

export default defineRecipe({
  name: 'ubuntu',
  description: 'Ubuntu, configured by its own maintainer scripts',
  platforms: [
    'linux/amd64',
    'linux/arm64',
    'linux/arm/v7',
    'linux/ppc64le',
    'linux/riscv64',
    'linux/s390x',
  ],
  params: z.object({
    suite: z
      .enum(['jammy', 'noble', 'questing', 'resolute'])
      .default('noble')
      .describe('the release'),
    variant: z
      .enum(['essential', 'apt', 'minbase', 'buildd', 'important', 'standard', 'custom'])
      .default('minbase')
      .describe('the package set to start from; custom is include alone'),
    include: z
      .array(z.string())
      .default([])
      .describe('further packages: name, name=version, name/suite, name- to leave one out'),
    components: z
      .array(z.enum(['main', 'restricted', 'universe', 'multiverse']))
      .default(['main', 'universe'])
      .describe('the parts of the archive packages may come from'),
    mirror: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe('instead of the usual mirror'),
  }),
  rootfs: ({ params }) => deb({ distro: 'ubuntu', ...params }),
  instructions: ({ params }) => [
    env({ PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' }),
    label({
      'org.opencontainers.image.ref.name': 'ubuntu',
      'org.opencontainers.image.version': params.suite,
    }),
    cmd(['/bin/bash']),
  ],
})
