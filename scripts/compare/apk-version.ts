import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { compareVersions, isVersion } from '../../src/apk/version.ts'
import { readArguments, runScript, ScriptError, wholeNumber } from '../arguments.ts'
import { seededRandom } from './apt-draw.ts'
import { openApk } from './apk-root.ts'

const usage = `usage: node scripts/run.mjs scripts/compare/apk-version.ts --alpine DIR [option]…
  Draws pairs of versions and compares plinth's order with what apk version -t says, and what plinth takes for
  a version with apk version -c. Exits 1 when one differs. Needs Linux on x86-64.

  --alpine DIR         Alpine data: DIR/minirootfs/alpine-minirootfs-*-x86_64.tar.gz holds the real apk
  --seed N             default 1
  --count N            pairs (default 20000)
`

const { values: options } = readArguments(usage, {
  options: {
    alpine: { type: 'string' },
    seed: { type: 'string', default: '1' },
    count: { type: 'string', default: '20000' },
  },
})

const parts = {
  digits: [
    '0',
    '1',
    '2',
    '9',
    '10',
    '12',
    '00',
    '01',
    '001',
    '010',
    '20220614',
    '99999999999999999',
    '100000000000000000',
  ],
  suffixes: ['alpha', 'beta', 'pre', 'rc', 'cvs', 'svn', 'git', 'hg', 'p'],
  odd: [
    '.',
    '_',
    '-',
    '-r',
    '~',
    '~abc1',
    'A',
    '+',
    'x',
    '_foo',
    '_px',
    '..',
    '-1',
    'p1',
    '-r1',
    '_p',
  ],
}

await runScript(main)

async function main(): Promise<boolean> {
  if (options.alpine === undefined) throw new ScriptError('--alpine says where the data is', 64)
  const seed = wholeNumber('seed', options.seed)
  const count = wholeNumber('count', options.count, 1)
  const work = await mkdtemp(path.join(tmpdir(), 'compare-apk-'))
  try {
    const apk = await openApk(options.alpine, work)
    const random = seededRandom(seed)
    const pairs = Array.from({ length: count }, () => drawPair(random))
    const orders = await apk.compareVersions(pairs)
    const validity = await apk.areVersions(pairs.map(([first]) => first))
    let different = 0
    for (const [index, [a, b]] of pairs.entries()) {
      const own = ['<', '=', '>'][Math.sign(compareVersions(a, b)) + 1]
      const back = ['>', '=', '<'][Math.sign(compareVersions(b, a)) + 1]
      const valid = isVersion(a)
      if (own === orders[index] && own === back && valid === validity[index]) continue
      different++
      console.log(
        `different: ${a} ${b}: apk ${orders[index]} ${validity[index]}, plinth ${own} ${valid}`,
      )
    }
    console.log(
      `${apk.version}, seed ${seed}: ${count} pairs, ${validity.filter(Boolean).length} of the first valid, ${different} different`,
    )
    return different === 0
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

function drawPair(random: () => number): readonly [string, string] {
  const first = draw(random)
  const second = random() < 0.6 ? mutate(first, random) : draw(random)
  return random() < 0.5 ? [first, second] : [second, first]
}

function draw(random: () => number): string {
  const pick = picker(random)
  let version = pick(parts.digits)
  while (random() < 0.6) version += `.${pick(parts.digits)}`
  if (random() < 0.2) version += pick(['a', 'b', 'z'])
  while (random() < 0.3)
    version += `_${pick(parts.suffixes)}${random() < 0.6 ? pick(parts.digits) : ''}`
  if (random() < 0.5) version += `-r${pick(parts.digits)}`
  return random() < 0.15 ? mutate(version, random) : version
}

/** Near misses find more than strangers. */
function mutate(version: string, random: () => number): string {
  const pick = picker(random)
  const at = Math.floor(random() * (version.length + 1))
  const kind = random()
  // an empty string is no argument that apk would tell from none
  if (kind < 0.3 && version.length > 1) return version.slice(0, at) + version.slice(at + 1) || '0'
  if (kind < 0.5 && at > 0) return version.slice(0, at)
  const insert = kind < 0.75 ? pick(parts.digits) : pick([...parts.odd, ...parts.suffixes])
  return version.slice(0, at) + insert + version.slice(at)
}

function picker(random: () => number): <T>(list: readonly T[]) => T {
  return (list) => list[Math.floor(random() * list.length)]!
}
