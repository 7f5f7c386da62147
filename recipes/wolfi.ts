import { pathToFileURL } from 'node:url'
import { apk, cmd, defineRecipe, env } from 'plinth'
import { z } from 'zod'

export default defineRecipe({
  name: 'wolfi',
  description: 'Wolfi; its key is to be given: -p key=wolfi-signing.rsa.pub',
  platforms: ['linux/amd64', 'linux/arm64'],
  params: z.object({
    key: z
      .string({
        error:
          "Wolfi's key is needed: get wolfi-signing.rsa.pub, which it publishes beside its packages, check it, and name the file",
      })
      .describe("the file of Wolfi's key, called as its publisher calls it: wolfi-signing.rsa.pub"),
    include: z
      .array(z.string())
      .default([])
      .describe('further packages: name, name=1.2-r3, name~1.2, name@tag, !name to keep one away'),
    scripts: z
      .enum(['run', 'off'])
      .default('run')
      .describe("run the packages' own scripts, or none"),
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
  rootfs: ({ params: { key, keys, ...params } }) => {
    const further = keys.map((file) => pathToFileURL(file))
    return apk({ distro: 'wolfi', ...params, keys: [pathToFileURL(key), ...further] })
  },
  instructions: [
    env({
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      SSL_CERT_FILE: '/etc/ssl/certs/ca-certificates.crt',
    }),
    cmd(['/bin/sh']),
  ],
})
