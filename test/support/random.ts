/** Pseudo-random numbers from a seed (mulberry32): a failing run can be run again. */
export interface Random {
  /** 0 ≤ n < `below` */
  int(below: number): number
  pick<T>(values: readonly T[]): T
  bytes(length: number): Buffer
  /** true once in `n` times */
  oneIn(n: number): boolean
}

export function random(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }
  const int = (below: number): number => next() % below
  return {
    int,
    pick: (values) => values[int(values.length)]!,
    bytes: (length) => Buffer.from(Array.from({ length }, () => next() & 255)),
    oneIn: (n) => int(n) === 0,
  }
}
