// node scripts/run.mjs script.ts [argument]…: runs a TypeScript file of this checkout on any
// supported Node, without a build. Its exit status is the script's.
import { spawn } from 'node:child_process'
import process from 'node:process'

const [script, ...rest] = process.argv.slice(2)
if (script === undefined) {
  console.error('usage: node scripts/run.mjs script.ts [argument]…')
  process.exit(64)
}
const hooks = new URL('./typescript.mjs', import.meta.url).href
const child = spawn(
  process.execPath,
  ['--conditions=source', '--disable-warning=DEP0205', '--import', hooks, script, ...rest],
  { stdio: 'inherit' },
)
// The terminal sends Ctrl-C to both; what is sent to this process alone is passed on.
process.on('SIGINT', () => {})
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
child.once('exit', (code, signal) => {
  if (signal === null) process.exit(code ?? 1)
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
})
