/** Colours of ECMA-48; without colour the text as it is. */
export interface Paint {
  dim(text: string): string
  red(text: string): string
  green(text: string): string
  yellow(text: string): string
  cyan(text: string): string
  bold(text: string): string
}

export function paints(colour: boolean): Paint {
  const sgr = (on: number, off: number) => (text: string) =>
    colour && text !== '' ? `\u001B[${on}m${text}\u001B[${off}m` : text
  return {
    dim: sgr(2, 22),
    red: sgr(31, 39),
    green: sgr(32, 39),
    yellow: sgr(33, 39),
    cyan: sgr(36, 39),
    bold: sgr(1, 22),
  }
}
