/** One stanza: lower-case field name → value. Continuation lines stay in it, one a line, unindented. */
export type Stanza = ReadonlyMap<string, string>

/** A line no stanza can have; whoever reads the file says which file it was. */
export class StanzaError extends Error {
  readonly line: number

  constructor(line: number, why: string) {
    super(`line ${line}: ${why}`)
    this.name = 'StanzaError'
    this.line = line
  }
}

/**
 * Reads the stanzas of a whole deb822(5) text: fields, continuation lines, `#` comment lines, stanzas
 * parted by blank lines. Throws `StanzaError` for a line that is none of these, and for a field given
 * twice. Meant for small files (Release, sources); package indexes have a lazy reader of their own.
 */
export function parseStanzas(text: string): readonly Stanza[] {
  const stanzas: Stanza[] = []
  let stanza = new Map<string, string>()
  let lines: string[] = []
  let name = ''
  const endField = (): void => {
    if (name !== '') stanza.set(name, lines.join('\n'))
    name = ''
  }
  const endStanza = (): void => {
    endField()
    if (stanza.size > 0) stanzas.push(stanza)
    stanza = new Map()
  }
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trimEnd()
    if (line === '') endStanza()
    else if (line.startsWith('#')) continue
    else if (line.startsWith(' ') || line.startsWith('\t')) {
      if (name === '') throw new StanzaError(index + 1, 'a continuation line without a field')
      lines.push(line.trimStart())
    } else {
      endField()
      const match = /^([!-9;-~]+)[ \t]*:[ \t]*(.*)$/.exec(line)
      if (!match?.[1]) throw new StanzaError(index + 1, 'neither a field nor a continuation line')
      name = match[1].toLowerCase()
      if (stanza.has(name)) throw new StanzaError(index + 1, `field '${match[1]}' is given twice`)
      lines = [match[2] ?? '']
    }
  }
  endStanza()
  return stanzas
}

/** The words of a value, split at white space of any kind. */
export function words(value: string | undefined): readonly string[] {
  return value?.split(/\s+/).filter((word) => word !== '') ?? []
}
