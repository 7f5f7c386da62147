// npm test [-- vitest arguments]: installs the peers the suites compare with where that is possible
// (root on Debian), builds, runs every suite, and says which were left out and why. With CI=true leaving one out is a failure.
import { spawn, spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { mkdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

/** Debian packages by a command each of them brings. */
const peers = {
  'apt-ftparchive': 'apt-utils',
  busybox: 'busybox-static',
  bzip2: 'bzip2',
  debootstrap: 'debootstrap',
  dockerd: 'docker.io',
  docker: 'docker-cli',
  faketime: 'faketime',
  git: 'git',
  gpg: 'gnupg',
  gpgv: 'gpgv',
  mmdebstrap: 'mmdebstrap',
  newuidmap: 'uidmap',
  setcap: 'libcap2-bin',
  skopeo: 'skopeo',
  umoci: 'umoci',
  xz: 'xz-utils',
  zstd: 'zstd',
}

const root = fileURLToPath(new URL('../', import.meta.url))
const cache = path.join(root, 'node_modules', '.cache')
const leftOutFile = path.join(cache, 'left-out-suites.jsonl')
const reportFile = path.join(cache, 'test-report.json')
const ci = process.env.CI === 'true'
const say = (line) => process.stderr.write(`${line}\n`)

process.chdir(root)
await mkdir(cache, { recursive: true })
await Promise.all([leftOutFile, reportFile].map((file) => rm(file, { force: true })))
installPeers()
const built = run(process.execPath, ['scripts/build.mjs'])
if (built !== 0) process.exit(built)
const ended = await runVitest()
const { passed, failed } = await readReport()
sayLeftOut(await readLeftOut())
console.log(`${passed} passed, ${failed} failed`)
process.exit(ended === 0 && failed > 0 ? 1 : ended)

function installPeers() {
  const missing = Object.entries(peers).filter(([command]) => !isInstalled(command))
  if (missing.length === 0) return
  const packages = missing.map(([, name]) => name)
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version') || !isInstalled('apt-get')) {
    say(`test: not root on Debian, so these peers stay missing: ${packages.join(' ')}`)
    return
  }
  say(`test: installing the peers with apt: ${packages.join(' ')}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const apt = (...args) => run('apt-get', ['-qq', '-o', 'Dpkg::Use-Pty=0', ...args], env, 'ignore')
  // one that this release lacks must not keep the others out
  const status = apt('update') || apt('install', '--yes', '--no-install-recommends', ...packages)
  if (status === 0) return
  for (const name of packages) apt('install', '--yes', '--no-install-recommends', name)
}

function isInstalled(command) {
  return [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'].some((place) => {
    try {
      accessSync(path.join(place, command), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

async function runVitest() {
  const vitest = path.join(root, 'node_modules', 'vitest', 'vitest.mjs')
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`]
  const child = spawn(process.execPath, [vitest, 'run', ...reporters, ...process.argv.slice(2)], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const passOn = (signal) => child.kill(signal)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, passOn)
  return new Promise((resolve) => child.once('close', (code) => resolve(code ?? 1)))
}

async function readReport() {
  try {
    const { testResults, numPassedTests, numFailedTests } = JSON.parse(
      await readFile(reportFile, 'utf8'),
    )
    // a file that does not even load has no tests of its own to count
    const broken = testResults.filter(
      (file) =>
        file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
    )
    return { passed: numPassedTests, failed: numFailedTests + broken.length }
  } catch {
    return { passed: 0, failed: 1 }
  }
}

async function readLeftOut() {
  const text = await readFile(leftOutFile, 'utf8').catch(() => '')
  const lines = [...new Set(text.split('\n').filter((line) => line !== ''))]
  return lines.map((line) => JSON.parse(line)).toSorted((a, b) => (a.suite < b.suite ? -1 : 1))
}

function sayLeftOut(suites) {
  if (suites.length === 0) return
  say(`left out${ci ? ', which CI does not allow' : ''}:`)
  for (const { suite, reason } of suites) say(`  ${suite}: ${reason}`)
}

function run(command, args, env = process.env, stdin = 'inherit') {
  return spawnSync(command, args, { stdio: [stdin, 'inherit', 'inherit'], env }).status ?? 1
}
