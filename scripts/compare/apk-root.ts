import { spawn } from 'node:child_process'
import { mkdir, readdir } from 'node:fs/promises'
import path from 'node:path'
import { $ } from 'zx'
import { ScriptError } from '../arguments.ts'

/** The real apk, which runs by its own loader: neither root nor chroot(8) are needed. */
export interface Apk {
  /** `apk-tools 2.14.4` */
  readonly version: string
  /** the unpacked root it is from */
  readonly root: string
  run(argv: readonly string[]): Promise<ApkAnswer>
  /** what `apk version -t` says of each pair: `<`, `=` or `>` */
  compareVersions(pairs: readonly (readonly [string, string])[]): Promise<readonly string[]>
  /** what `apk version -c` says of each */
  areVersions(versions: readonly string[]): Promise<readonly boolean[]>
}

interface ApkAnswer {
  readonly code: number | null
  readonly output: string
}

/** Unpacks the minirootfs of `alpine` below `work`. */
export async function openApk(alpine: string, work: string): Promise<Apk> {
  const archive = await findMinirootfs(path.join(alpine, 'minirootfs'))
  const root = path.join(work, 'minirootfs')
  await mkdir(root, { recursive: true })
  await $({ quiet: true })`tar --extract --no-same-owner --directory=${root} --file=${archive}`
  const apk = [
    path.join(root, 'lib/ld-musl-x86_64.so.1'),
    '--library-path',
    `${root}/lib:${root}/usr/lib`,
    path.join(root, 'sbin/apk'),
  ]
  const run = (argv: readonly string[]): Promise<ApkAnswer> => runProcess([...apk, ...argv])
  const each = async (script: string, lines: readonly string[]): Promise<readonly string[]> => {
    const { output } = await runProcess(['sh', '-c', script, 'sh', ...apk], lines.join('\n'))
    const answers = output.trimEnd().split('\n')
    if (answers.length !== lines.length)
      throw new ScriptError(`apk answered ${answers.length} of ${lines.length} questions`)
    return answers
  }
  const { code, output } = await run(['--version'])
  if (code !== 0) throw new ScriptError(`the apk of ${archive} does not run here: ${output}`)
  return {
    version: output.split(',')[0] ?? '',
    root,
    run,
    compareVersions: (pairs) =>
      each(
        'while read -r a b; do "$@" version -t -- "$a" "$b"; done',
        pairs.map((pair) => pair.join(' ')),
      ),
    areVersions: async (versions) => {
      const script = 'while read -r a; do "$@" version -q -c -- "$a" >/dev/null; echo $?; done'
      return (await each(script, versions)).map((status) => status === '0')
    },
  }
}

async function findMinirootfs(directory: string): Promise<string> {
  const names = await readdir(directory).catch(() => [])
  const name = names.find(
    (one) => one.startsWith('alpine-minirootfs-') && one.endsWith('-x86_64.tar.gz'),
  )
  if (name === undefined)
    throw new ScriptError(`${directory} has no alpine-minirootfs-*-x86_64.tar.gz with the real apk`)
  return path.join(directory, name)
}

function runProcess([command, ...argv]: readonly string[], input = ''): Promise<ApkAnswer> {
  const child = spawn(command!, argv, { env: { PATH: process.env['PATH'], LC_ALL: 'C' } })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.stdin.on('error', () => {}).end(input === '' ? '' : `${input}\n`)
  return new Promise((resolve, reject) => {
    child.once('error', reject).once('close', (code) => resolve({ code, output }))
  })
}
