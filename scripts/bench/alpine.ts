// Alpine's base from a loopback repository: plinth beside apk, tar and gzip; and how plinth's time grows.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { alpinePackages } from '../../src/distro/apk/presets.ts'
import { buildApkRepository, type ApkRepositorySpec } from '../../test/support/apk-repository.ts'
import { testSigner, type ApkSpec } from '../../test/support/apk.ts'
import { localApkRecipe } from '../../test/support/local-recipe.ts'
import { bytesAt, readMinirootfs, type Minirootfs } from '../../test/support/minirootfs.ts'
import { startServer } from '../../test/support/server.ts'
import { readArguments, runScript, ScriptError, wholeNumber } from '../arguments.ts'
import { openApk } from '../compare/apk-root.ts'
import { measure, median, peakMemory } from './measure.ts'

const usage = `usage: npm run bench -- alpine --alpine DIR [--pairs N]
  Alpine's base, its packages rebuilt from the official minirootfs and served on loopback, into an archive that
  engines load: plinth beside apk add --initdb, tar and gzip, in turns, scripts run by both. Then 200 and 1,000
  made-up packages. Prints medians. Needs root, Linux on x86-64, and plinth built.

  --alpine DIR     Alpine data: DIR/minirootfs/alpine-minirootfs-*-x86_64.tar.gz
  --pairs N        how many runs of each (default 5)
`

const { values } = readArguments(usage, {
  options: { alpine: { type: 'string' }, pairs: { type: 'string', default: '5' } },
})
const cli = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const work = mkdtempSync(path.join(tmpdir(), 'plinth-bench-'))
process.once('exit', () => rmSync(work, { recursive: true, force: true }))
const key = testSigner('bench@example.org-1.rsa.pub')
const store = path.join(work, 'store')

/** What the recipe asks for. */
const base = alpinePackages('v3.20')

/** The one package of the recipe's that the official 3.20 has without having it installed. */
function releasePackage({ tree }: Minirootfs): ApkSpec {
  const names = ['etc/alpine-release', 'etc/issue', 'etc/os-release']
  const files = names.map((name) => [name, { content: bytesAt(tree, name) }] as const)
  return {
    name: 'alpine-release',
    version: '3.20.3-r0',
    arch: 'x86_64',
    files: Object.fromEntries(files),
  }
}

/** So many packages that need each other in a chain, with ten files of 10 kB each. */
function madeUp(count: number): ApkSpec[] {
  return Array.from({ length: count }, (_, i) => ({
    name: `p${i}`,
    arch: 'x86_64',
    fields: i === 0 ? {} : { depend: `p${i - 1}` },
    files: Object.fromEntries(
      Array.from({ length: 10 }, (__, j) => [
        `usr/share/p${i}/${j}`,
        { content: `${i} ${j} `.repeat(1500) },
      ]),
    ),
  }))
}

/** Ends the servers, which would keep the process. */
const stops: (() => Promise<void>)[] = []

/** Serves a repository and gives its address. */
async function serve(...specs: readonly ApkRepositorySpec[]): Promise<string> {
  const server = await startServer(buildApkRepository(...specs))
  stops.push(() => server.stop())
  return server.url
}

/** How plinth makes an archive of a recipe. */
function building(recipe: string, ...params: readonly string[]): readonly [string, ...string[]] {
  const output = ['-o', path.join(work, 'image.tar'), '--store', store, '--progress', 'plain']
  const given = params.flatMap((param) => ['-p', param])
  return [process.execPath, cli, 'build', recipe, ...given, ...output]
}

/** apk into a new root, and what makes one compressed layer of it. */
async function peer(
  alpine: string,
  { url, keys }: { readonly url: string; readonly keys: string },
): Promise<() => Promise<number>> {
  const { root: apk } = await openApk(alpine, work)
  const list = path.join(work, 'repositories')
  writeFileSync(list, `${url}/v3.20/main\n${url}/v3.20/community\n`)
  const root = path.join(work, 'peer')
  const script = `"$1/lib/ld-musl-x86_64.so.1" --library-path "$1/lib:$1/usr/lib" "$1/sbin/apk" \\
    --keys-dir "$2" --repositories-file "$3" --no-cache --arch x86_64 --root "$4" --initdb add ${base.join(' ')} &&
  tar --numeric-owner -C "$4" -cf - . | gzip >"$5"`
  return async () => {
    const out = path.join(work, 'peer.tar.gz')
    const argv = ['sh', '-c', script, 'sh', apk, keys, list, root, out]
    const seconds = await measure(['unshare', '--mount', ...argv])
    rmSync(root, { recursive: true, force: true })
    return seconds
  }
}

async function main(): Promise<boolean> {
  const pairs = wholeNumber('pairs', values.pairs, 1)
  if (values.alpine === undefined) throw new ScriptError('say where Alpine data is: --alpine DIR')
  if (!existsSync(cli)) throw new ScriptError('plinth is not built: npm run build')
  const official = await readMinirootfs('x86_64')
  const packages = [...official.packages.map(({ spec }) => spec), releasePackage(official)]
  const url = await serve(
    { packages, signers: [key], directory: 'v3.20/main' },
    { packages: [], signers: [key], directory: 'v3.20/community' },
  )
  const keys = path.join(work, 'keys')
  mkdirSync(keys)
  writeFileSync(path.join(keys, key.name), key.publicKey)
  const apk = await peer(values.alpine, { url, keys })
  const own = [`keys=${path.join(keys, key.name)}`, 'release=3.20', `mirror=${url}`]
  const plinth = building('alpine', ...own)
  const runs: Record<'apk, tar, gzip' | 'fresh' | 'unchanged', number[]> = {
    'apk, tar, gzip': [],
    fresh: [],
    unchanged: [],
  }
  const peak = await peakMemory(plinth)
  for (let pair = 0; pair < pairs; pair++) {
    rmSync(store, { recursive: true, force: true })
    runs['apk, tar, gzip'].push(await apk())
    runs.fresh.push(await measure(plinth))
    runs.unchanged.push(await measure(plinth))
  }
  const reference = median(runs['apk, tar, gzip'])
  console.log(`\nAlpine base, ${pairs} pairs, medians; peak memory ${peak.toFixed(0)} MiB`)
  console.log('| | seconds | of apk, tar, gzip |\n|---|---|---|')
  for (const [name, seconds] of Object.entries(runs))
    console.log(
      `| ${name} | ${median(seconds).toFixed(2)} | ${(median(seconds) / reference).toFixed(2)} |`,
    )
  await growth(pairs)
  return true
}

async function growth(pairs: number): Promise<void> {
  console.log(
    '\nmade-up packages, fresh store, no scripts, medians\n| packages | seconds | peak memory |',
  )
  console.log('|---|---|---|')
  for (const count of [1, 200, 1000]) {
    const url = await serve({ packages: madeUp(count), signers: [key] })
    const recipe = path.join(work, `p${count}.ts`)
    const asked = { repositories: [url], keys: [key], packages: [`p${count - 1}`] }
    writeFileSync(recipe, localApkRecipe({ ...asked, scripts: 'off' }))
    const plinth = building(recipe)
    rmSync(store, { recursive: true, force: true })
    const peak = await peakMemory(plinth)
    const seconds: number[] = []
    for (let pair = 0; pair < pairs; pair++) {
      rmSync(store, { recursive: true, force: true })
      seconds.push(await measure(plinth))
    }
    console.log(`| ${count} | ${median(seconds).toFixed(2)} | ${peak.toFixed(0)} MiB |`)
  }
}

await runScript(async () => {
  try {
    return await main()
  } finally {
    await Promise.all(stops.map((stop) => stop()))
  }
})
