/** `1 package`, `78 packages`: for nouns that take an s, or whose plural is given. */
export function quantity(count: number, noun: string, plural = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`
}
