/** Where text goes. */
export interface Sink {
  write(text: string): void
  readonly isTTY: boolean
  /** cells in a line; 80 when unknown */
  readonly columns: number
  readonly rows: number
}

/** Everything the command line takes from its surroundings, so that tests can be one. */
export interface Io {
  readonly stdout: Sink
  readonly stderr: Sink
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly home: string
  readonly uid: number
  /** Node's name for this machine's architecture */
  readonly arch: string
  /** milliseconds */
  now(): number
  /** Calls `tick` until the returned function is called; does not keep the process alive. */
  every(milliseconds: number, tick: () => void): () => void
}

/** no-color.org, and what terminals say about themselves. */
export function wantsColour(sink: Sink, env: Io['env']): boolean {
  return sink.isTTY && !env['NO_COLOR'] && env['TERM'] !== 'dumb'
}
