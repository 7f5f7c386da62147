import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { parseDockerfile } from '../../src/dockerfile/dockerfile.ts'
import { afterInstruction, instructionOf, variablesOf } from '../../src/dockerfile/variables.ts'
import { isPlinthError } from '../../src/errors.ts'
import type { Healthcheck, Instruction } from '../../src/instruction.ts'
import { parsePlatform } from '../../src/platform.ts'
import { readArguments, runScript, ScriptError, wholeNumber } from '../arguments.ts'
import { seededRandom } from './apt-draw.ts'
import { drawLines, drawVariables } from './dockerfile-draw.ts'

const usage = `usage: node scripts/run.mjs scripts/compare/dockerfile-words.ts [option]…
  Draws random ENV, LABEL, ARG, EXPOSE, VOLUME, CMD and other lines, full of variables, quotes, escapes and
  joined lines, and compares what plinth makes of them with the image that docker build makes FROM scratch:
  the same configuration, or both refuse. Uses the engine of DOCKER_HOST. Exits 1 when they differ.

  --seed N        default 1
  --count N       lines (default 2000)
  --batch N       lines in one Dockerfile (default 100)
  --refused N     how many of the lines that plinth refuses Docker is asked about, one by one (default 60)
  --old           without what BuildKit before 0.16 lacks: \${v-w}, \${v#p}, \${v/p/r}, several names in one ARG
`

const { values: options } = readArguments(usage, {
  options: {
    seed: { type: 'string', default: '1' },
    count: { type: 'string', default: '2000' },
    batch: { type: 'string', default: '100' },
    refused: { type: 'string', default: '60' },
    old: { type: 'boolean', default: false },
  },
})

const execute = promisify(execFile)
const platform = parsePlatform('linux/amd64')

await runScript(main)

async function main(): Promise<boolean> {
  const random = seededRandom(wholeNumber('seed', options.seed))
  const count = wholeNumber('count', options.count, 1)
  const size = wholeNumber('batch', options.batch, 1)
  const work = await mkdtemp(path.join(tmpdir(), 'compare-words-'))
  try {
    let compared = 0
    let differ = 0
    const refused: { readonly header: string; readonly line: string }[] = []
    while (compared < count) {
      const escape = random() < 0.2 ? '`' : '\\'
      const header = `${escape === '`' ? '# escape=`\n' : ''}FROM scratch\n${drawVariables(random, escape)}`
      const drawn = drawLines(random, { count: size, escape, old: options.old })
      const fine = drawn.filter((line) => accepts(`${header}${line}\n`))
      for (const line of drawn) if (!fine.includes(line)) refused.push({ header, line })
      differ += await compareBatch(work, header, fine)
      compared += fine.length
      process.stdout.write(`${compared} lines, ${differ} differ\n`)
    }
    const asked = refused.slice(0, wholeNumber('refused', options.refused))
    let accepted = 0
    for (const { header, line } of asked) {
      if (typeof (await built(work, `${header}${line}\n`)) === 'string') continue
      accepted++
      process.stdout.write(`plinth alone refuses ${JSON.stringify(line)}\n`)
    }
    process.stdout.write(
      `${refused.length} refused, ${asked.length} asked about, ${accepted} of them Docker accepts\n`,
    )
    return differ === 0 && accepted === 0
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** How many lines differ: halved until the ones are found. */
async function compareBatch(
  work: string,
  header: string,
  lines: readonly string[],
): Promise<number> {
  if (lines.length === 0) return 0
  const text = `${header}${lines.join('\n')}\n`
  const theirs = await built(work, text)
  const ours = configOf(text)
  if (typeof theirs !== 'string' && JSON.stringify(theirs) === JSON.stringify(ours)) return 0
  if (lines.length > 1) {
    const half = lines.length >> 1
    const first = await compareBatch(work, header, lines.slice(0, half))
    return first + (await compareBatch(work, header, lines.slice(half)))
  }
  process.stdout.write(
    `differs: ${JSON.stringify(lines[0])}\n  docker ${describe(theirs)}\n  plinth ${describe(ours)}\n  after ${JSON.stringify(header)}\n`,
  )
  return 1
}

function describe(config: Config | string): string {
  return typeof config === 'string' ? config : JSON.stringify(config)
}

type Config = Readonly<Record<string, unknown>>

function accepts(text: string): boolean {
  try {
    configOf(text)
    return true
  } catch (error) {
    if (isPlinthError(error, 'DOCKERFILE_INVALID')) return false
    throw error
  }
}

/** What plinth makes of the instructions, as far as words decide it. */
function configOf(text: string): Config {
  const { graph } = parseDockerfile(text, {
    file: 'Dockerfile',
    targetPlatform: platform,
    buildPlatform: platform,
  })
  const base = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  let variables = variablesOf([base])
  const env = new Map<string, string>([['PATH', base.slice(5)]])
  const labels = new Map<string, string>()
  const ports = new Set<string>()
  const volumes = new Set<string>()
  let user = ''
  let command: readonly string[] | string | undefined
  const triggers: string[] = []
  let signal = ''
  let healthcheck: Healthcheck | undefined
  for (const step of graph.stages[0]!.steps) {
    const instruction: Instruction = instructionOf(step, variables)
    variables = afterInstruction(variables, instruction)
    switch (instruction.kind) {
      case 'env':
        for (const [name, value] of instruction.pairs) env.set(name, value)
        break
      case 'label':
        for (const [name, value] of instruction.pairs) labels.set(name, value)
        break
      case 'expose':
        for (const port of instruction.ports) ports.add(port)
        break
      case 'volume':
        for (const one of instruction.paths) volumes.add(one)
        break
      case 'user':
        user = instruction.user
        break
      case 'cmd':
        // the image's JSON has no empty list
        command =
          instruction.command.length === 0 && typeof instruction.command !== 'string'
            ? undefined
            : instruction.command
        break
      case 'onbuild':
        triggers.push(instruction.trigger)
        break
      case 'healthcheck':
        healthcheck = instruction
        break
      case 'stopsignal':
        signal = instruction.signal
        break
      case 'add':
      case 'arg':
      case 'copy':
      case 'entrypoint':
      case 'maintainer':
      case 'run':
      case 'shell':
      case 'workdir':
        break
    }
  }
  return canonical({
    Env: [...env].map((pair) => pair.join('=')),
    Labels: Object.fromEntries(labels),
    ExposedPorts: [...ports],
    Volumes: [...volumes],
    User: user,
    Cmd: typeof command === 'string' ? ['/bin/sh', '-c', command] : command,
    OnBuild: triggers,
    StopSignal: signal,
    Healthcheck: healthcheck && checkOf(healthcheck),
  })
}

/** A health check as the image's configuration has it. */
function checkOf({
  test,
  interval,
  timeout,
  startPeriod,
  startInterval,
  retries,
}: Healthcheck): Config {
  const command =
    test === 'none'
      ? ['NONE']
      : typeof test.command === 'string'
        ? ['CMD-SHELL', test.command]
        : ['CMD', ...test.command]
  const times = {
    Interval: interval,
    Timeout: timeout,
    StartPeriod: startPeriod,
    StartInterval: startInterval,
    Retries: retries,
  }
  return sorted({ Test: command, ...times })!
}

function sorted(config: Config | undefined): Config | undefined {
  if (!config) return undefined
  const given = Object.entries(config).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/** The image's configuration, or why Docker builds none. */
async function built(work: string, text: string): Promise<Config | string> {
  const file = path.join(work, 'Dockerfile')
  await writeFile(file, text)
  const tag = `compare-words-${process.pid}`
  try {
    await execute('docker', ['build', '--quiet', '--tag', tag, '--file', file, work])
  } catch (error) {
    const { stderr = '' } = error as { readonly stderr?: string }
    if (!/failed to solve|dockerfile parse error|ERROR/.test(stderr))
      throw new ScriptError(`docker build: ${stderr || (error as Error).message}`)
    return stderr.trim().split('\n').at(-1) ?? ''
  }
  const { stdout } = await execute('docker', ['inspect', '--format', '{{json .Config}}', tag])
  const config = JSON.parse(stdout) as Record<string, unknown>
  return canonical({
    Env: config['Env'],
    Labels: config['Labels'] ?? {},
    ExposedPorts: Object.keys(config['ExposedPorts'] ?? {}),
    Volumes: Object.keys(config['Volumes'] ?? {}),
    User: config['User'] ?? '',
    Cmd: config['Cmd'] ?? undefined,
    OnBuild: config['OnBuild'] ?? [],
    StopSignal: config['StopSignal'] ?? '',
    Healthcheck: sorted(config['Healthcheck'] as Config | undefined),
  })
}

function canonical(config: {
  readonly Env: unknown
  readonly Labels: unknown
  readonly ExposedPorts: readonly string[]
  readonly Volumes: readonly string[]
  readonly User: unknown
  readonly Cmd: unknown
  readonly OnBuild: unknown
  readonly StopSignal: unknown
  readonly Healthcheck: unknown
}): Config {
  const labels = Object.entries(config.Labels as Record<string, string>)
  return {
    ...config,
    Labels: labels.toSorted(([a], [b]) => (a < b ? -1 : 1)),
    ExposedPorts: config.ExposedPorts.toSorted(),
    Volumes: config.Volumes.toSorted(),
  }
}
