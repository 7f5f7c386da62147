/**
 * The order in which apk lists names (world, database): letters of either case together, upper case first
 * where nothing else differs. Names are ASCII; only its letters have a case here (strcasecmp(3)).
 */
export function compareNames(a: string, b: string): number {
  return byCodeUnit(lower(a), lower(b)) || byCodeUnit(a, b)
}

function lower(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
