import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { testSigner, type ApkFile, type ApkSpec } from '../apk.ts'
import { buildApkRepository, writeApkRepository } from '../apk-repository.ts'
import { localApkRecipe } from '../local-recipe.ts'

/** What cases say after FROM. */
export const baseName = 'base:1'

const applets =
  'ash awk base64 basename cat chgrp chmod chown cmp cp cut date dd df dirname echo env expr false find getopt ' +
  'grep gunzip gzip head hostname httpd id install kill link ln ls md5sum mkdir mkfifo mknod mktemp mount mv nc ' +
  'od printenv printf ps pwd readlink realpath rm rmdir sed seq sh sha256sum sleep sort stat sync tail tar tee ' +
  'test touch tr true truncate uname uniq unlink vi wc wget which whoami xargs yes'

/** `cap_net_bind_service=ep`, as setcap(8) stores it (version 2). */
const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex')

/**
 * Writes the recipe of the image that cases build on, and the repository it installs: a static busybox, a few
 * users, and files of every sort that later layers replace, remove or hide. Both sides start with the one image
 * plinth makes of it. Gives the path of the recipe.
 */
export function writeBaseRecipe(directory: string): string {
  const signer = testSigner('corpus@example.org-1.rsa.pub')
  const repository = path.join(directory, 'repository')
  const files = buildApkRepository({ packages: [system()], signers: [signer] })
  writeApkRepository(files, repository)
  const recipe = localApkRecipe({
    repositories: [pathToFileURL(repository).href],
    keys: [signer],
    packages: ['system'],
  })
  return recipe
    .replace(
      "[cmd(['/bin/sh'])]",
      "[env({ PATH: '/usr/local/bin:/bin', BASE: 'yes' }), label({ from: 'base' }), cmd(['/bin/sh'])]",
    )
    .replace('{ apk, cmd,', '{ apk, cmd, env, label,')
}

function system(): ApkSpec {
  const links = applets.split(' ').map((name) => [`bin/${name}`, { symlink: 'busybox' }] as const)
  const files: Record<string, ApkFile> = {
    'bin/busybox': { content: readFileSync(staticBusybox()), mode: 0o755 },
    ...Object.fromEntries(links),
    'etc/passwd':
      'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:an app:/home/app:/bin/sh\nwww:x:33:33::/var/www:/bin/sh\n',
    'etc/group': 'root:x:0:\nwww:x:33:\napp:x:1001:\nextra:x:2000:app\n',
    'etc/shadow': { content: 'root:*\n', mode: 0o640, gid: 42 },
    'etc/issue': 'base\n',
    'home/app/': { mode: 0o750, uid: 1000, gid: 1001 },
    'home/app/note': { content: 'mine\n', mode: 0o600, uid: 1000, gid: 1001 },
    'root/': { mode: 0o700 },
    'dev/': {},
    'proc/': {},
    'run/': {},
    'sys/': {},
    'tmp/': { mode: 0o1777 },
    'var/www/': { uid: 33, gid: 33 },
    'data/one': '1\n',
    'data/two': '2\n',
    'data/sub/three': '3\n',
    'data/sub/deep/four': '4\n',
    'data/set': { content: 'set\n', mode: 0o6755, gid: 33 },
    'data/first': 'twins\n',
    'data/second': { hardlink: 'data/first' },
    'data/capable': {
      content: 'cap\n',
      mode: 0o755,
      xattrs: { 'security.capability': capability },
    },
    'links/directory': { symlink: '../data' },
    'links/absolute': { symlink: '/data/sub' },
    'links/file': { symlink: '../data/one' },
    'links/dangling': { symlink: 'nowhere' },
    'links/out': { symlink: '../../../../../../data' },
  }
  return { name: 'system', arch: 'x86_64', files, mtime: 1_600_000_000 }
}

/** The path of the machine's static busybox. */
export function staticBusybox(): string {
  const found = ['/bin/busybox', '/usr/bin/busybox'].find((place) => existsSync(place))
  if (found === undefined) throw new Error('there is no busybox: install busybox-static')
  return found
}
