/** What EXPOSE says of one word. */
export interface Exposed {
  /** `80/tcp`, one for each of a range */
  readonly ports: readonly string[]
  /** whether an address or a port of the host was given, too, which means nothing in an image */
  readonly published: boolean
  /** the protocol as written */
  readonly protocol: string
}

/**
 * Reads a word of EXPOSE: `80`, `8000-8010/udp`, and for compatibility `[address:[port]:]port`.
 * Answers why when it is none.
 */
export function parsePorts(word: string): Exposed | string {
  const parts = word.split(':')
  const own = parts.at(-1)!
  const host = parts.at(-2) ?? ''
  const address = parts.slice(0, -2).join(':')
  const slash = own.indexOf('/')
  const range = slash < 0 ? own : own.slice(0, slash)
  const protocol = slash < 0 ? '' : own.slice(slash + 1)
  if (range === '') return `'${word}' has no port`
  if (!/^(tcp|udp|sctp)?$/i.test(protocol)) return `'${protocol}' is no protocol`
  if (address !== '' && !isAddress(address)) return `'${address}' is no address`
  const inside = parseRange(range)
  if (inside === undefined) return `'${range}' is no port`
  if (host !== '') {
    const outside = parseRange(host)
    if (outside === undefined) return `'${host}' is no port`
    if (inside[0] !== inside[1] && outside[1] - outside[0] !== inside[1] - inside[0])
      return `'${host}' and '${range}' are not the same number of ports`
  }
  const name = protocol.toLowerCase() || 'tcp'
  const [first, last] = inside
  const ports = Array.from({ length: last - first + 1 }, (_, n) => `${first + n}/${name}`)
  return { ports, published: parts.length > 1, protocol }
}

function parseRange(text: string): readonly [number, number] | undefined {
  const match = /^(\d+)(?:-(\d+))?$/.exec(text)
  if (match === null) return undefined
  const first = Number(match[1])
  const last = Number(match[2] ?? match[1])
  return first <= last && last <= 65_535 ? [first, last] : undefined
}

function isAddress(text: string): boolean {
  const bare = text.replace(/^\[(.*)\]$/, '$1')
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(bare) || /^[0-9a-f:.]+$/i.test(bare)
}
