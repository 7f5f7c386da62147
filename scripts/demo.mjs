// npm run demo: the main job once. Builds a real Debian image into one archive, shows what is in it,
// and says how to load or run it.
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../', import.meta.url))
const binary = path.join(root, 'dist', 'cli', 'main.js')
const archive = 'debian.tar'
const name = 'debian:trixie'

plinth('build', 'debian', '--tag', name, '--output', archive)
plinth('inspect', archive)
console.log(`
${archive} is one archive for every loader. Try:
  docker load -i ${archive} && docker run --rm ${name} dpkg -l
  podman load -i ${archive} && podman run --rm ${name} dpkg -l
  skopeo inspect docker-archive:${archive}
  skopeo copy oci-archive:${archive} docker://registry.example/debian:trixie
What else goes in, or in another place:
  npx plinth build debian -p suite=bookworm -p include=ca-certificates,curl --load
  npx plinth help build`)

function plinth(...args) {
  console.log(`$ plinth ${args.join(' ')}`)
  const { status, signal } = spawnSync(process.execPath, [binary, ...args], { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? (signal === 'SIGINT' ? 130 : 1))
}
