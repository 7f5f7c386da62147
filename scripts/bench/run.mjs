// npm run bench [-- suite…]: plinth beside its peers, on this machine, in one run. See debian.ts.
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
