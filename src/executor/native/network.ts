import { readFile, writeFile } from 'node:fs/promises'

/** Where systemd-resolved keeps the servers behind its stub (systemd-resolved(8)). */
const upstream = '/run/systemd/resolve/resolv.conf'

/** Writes the `resolv.conf` and `hosts` a process on the host's network is lent into `directory`. */
export async function hostNetworkFiles(directory: string, hostname: string): Promise<void> {
  const [own, behind, hosts] = await Promise.all(
    ['/etc/resolv.conf', upstream, '/etc/hosts'].map((file) =>
      readFile(file, 'utf8').catch(() => undefined),
    ),
  )
  const resolver = own !== undefined && !onlyStub(own) ? own : (behind ?? own ?? '')
  await writeFile(`${directory}/resolv.conf`, resolver)
  await writeFile(
    `${directory}/hosts`,
    `${hosts ?? '127.0.0.1\tlocalhost\n'}127.0.0.1\t${hostname}\n`,
  )
}

/** Whether the only name server is systemd-resolved's stub. */
export function onlyStub(resolvConf: string): boolean {
  const servers = [...resolvConf.matchAll(/^[ \t]*nameserver[ \t]+(\S+)/gm)].map((m) => m[1])
  return servers.length > 0 && servers.every((server) => server === '127.0.0.53')
}
