// npm run bench: plinth beside its peers, on this machine, in one run. `npm run bench -- --help` says more.
import { spawnSync } from 'node:child_process'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const { status } = spawnSync(
  process.execPath,
  [here('../run.mjs'), here('./debian.ts'), ...process.argv.slice(2)],
  {
    stdio: 'inherit',
  },
)
process.exit(status ?? 1)
