import { PlinthError } from '../errors.ts'

/** A clearsigned document taken apart; nothing is verified yet. */
export interface Clearsigned {
  /** the text that was signed: dashes unescaped, trailing white space gone, lines end in LF */
  readonly text: string
  /** the bytes its signatures are over: the same with CRLF and no last line end (RFC 9580 §7.2) */
  readonly signed: Uint8Array
  /** the armored signature block */
  readonly signature: string
}

const messageHead = '-----BEGIN PGP SIGNED MESSAGE-----'
const signatureHead = '-----BEGIN PGP SIGNATURE-----'
const signatureTail = '-----END PGP SIGNATURE-----'

/**
 * Takes a clearsigned document (RFC 9580 §7) apart, strictly: it is one signed block and nothing before or
 * after it, so that no reader can take unsigned text for signed. `SIGNATURE_MISSING` when it is not
 * clearsigned at all, `SIGNATURE_INVALID` when its framing is broken; `name` is for messages.
 */
export function parseClearsigned(document: Uint8Array, name: string): Clearsigned {
  // as Latin-1 every byte is one character and survives unchanged
  const lines = Buffer.from(document.buffer, document.byteOffset, document.length)
    .toString('latin1')
    .split('\n')
    .map((line) => line.replace(/[ \t\r]+$/, ''))
  if (!lines.includes(messageHead)) {
    throw new PlinthError('SIGNATURE_MISSING', `cannot trust ${name}: it is not signed`, {
      hint: 'the mirror may have answered with something else (a login page?); open the address in a browser',
    })
  }
  const broken = (why: string): PlinthError =>
    new PlinthError('SIGNATURE_INVALID', `cannot trust ${name}: ${why}`, {
      hint: 'it was changed on its way or by its publisher; try another mirror',
    })
  if (lines[0] !== messageHead) throw broken('there is text before the signed block')

  let at = 1
  for (; lines[at] !== ''; at++) {
    const line = lines[at]
    if (line === undefined) throw broken('it ends within its headers')
    if (!/^Hash: [A-Za-z0-9-]+(?:,[ ]?[A-Za-z0-9-]+)*$/.test(line))
      throw broken(`unexpected header '${line.slice(0, 60)}'`)
  }
  const text: string[] = []
  for (at++; lines[at] !== signatureHead; at++) {
    const line = lines[at]
    if (line === undefined) throw broken('the signature block is missing')
    if (line.startsWith('- ')) text.push(line.slice(2))
    // a bare '-' is '- ' with its space stripped: an escaped empty line
    else if (line === '-') text.push('')
    else if (line.startsWith('-')) throw broken('a line that starts with a dash is not escaped')
    else text.push(line)
  }
  const end = lines.indexOf(signatureTail, at)
  if (end < 0) throw broken('the signature block does not end')
  const signature = lines.slice(at, end + 1)
  if (signature.slice(1).includes(signatureHead)) throw broken('there are two signature blocks')
  if (lines.slice(end + 1).some((line) => line !== ''))
    throw broken('there is text after the signed block')

  return {
    text: text.length === 0 ? '' : Buffer.from(`${text.join('\n')}\n`, 'latin1').toString('utf8'),
    signed: Buffer.from(text.join('\r\n'), 'latin1'),
    signature: `${signature.join('\n')}\n`,
  }
}
