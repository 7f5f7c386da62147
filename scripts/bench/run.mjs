// npm run bench -- [debian|alpine|dockerfile]: plinth beside its peers, on this machine, in one run.
// `npm run bench -- --help` and `npm run bench -- dockerfile --help` say more.
import { spawnSync } from 'node:child_process'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const given = process.argv.slice(2)
const [what = '', ...rest] = given
const named = ['debian', 'alpine', 'dockerfile'].includes(what)
const { status } = spawnSync(
  process.execPath,
  [here('../run.mjs'), here(`./${named ? what : 'debian'}.ts`), ...(named ? rest : given)],
  {
    stdio: 'inherit',
  },
)
process.exit(status ?? 1)
