import process from 'node:process'
import type { Finding } from '../../pipeline/doctor/finding.ts'
import { examine, isAble } from '../../pipeline/doctor/examine.ts'
import { platformOfArch } from '../../platform.ts'
import type { Answer, CommandContext, DoctorOptions } from '../command.ts'
import { printable } from '../format.ts'
import { wantsColour } from '../io.ts'
import { paints, type Paint } from '../render/paint.ts'
import { engineOptions, storePath } from '../surroundings.ts'

/** `plinth doctor`: what works on this machine, line by line; exit code 1 when building does not. */
export async function doctor(options: DoctorOptions, context: CommandContext): Promise<Answer> {
  const { io, signal } = context
  const paint = paints(wantsColour(io.stdout, io.env))
  const findings: Finding[] = []
  const found = examine({
    root: storePath(options.store, io),
    platform: platformOfArch(io.arch),
    uid: io.uid,
    path: io.env['PATH'] ?? '',
    program: process.execPath,
    engines: engineOptions(io),
    signal,
  })
  for await (const finding of found) {
    findings.push(finding)
    // each as it is known: some take their time
    if (options.json !== true) io.stdout.write(asText(finding, paint))
  }
  const able = isAble(findings)
  const exitCode = able ? 0 : 1
  if (options.json !== true) {
    const verdict = able ? 'plinth can build here' : 'plinth cannot build here yet'
    return { text: `${able ? paint.green(verdict) : paint.red(verdict)}\n`, exitCode }
  }
  return { text: `${JSON.stringify({ able, findings }, undefined, 2)}\n`, exitCode }
}

function asText({ name, state, detail, hint }: Finding, paint: Paint): string {
  const marks = {
    ok: paint.green('ok'),
    degraded: paint.yellow('less'),
    absent: paint.dim('none'),
    failed: paint.red('FAIL'),
    skipped: paint.dim('-'),
  }
  const width = { ok: 2, degraded: 4, absent: 4, failed: 4, skipped: 1 }[state]
  const line = `${name.padEnd(11)}${marks[state]}${' '.repeat(6 - width)}${printable(detail)}\n`
  const hints = hint?.split('\n').map((text) => `${' '.repeat(17)}${paint.dim(printable(text))}\n`)
  return `${line}${hints?.join('') ?? ''}`
}
