/**
 * The smallest program of an architecture: it ends with 42 (elf(5); syscall(2) for the numbers and registers).
 * Where the kernel runs it, by itself or through binfmt_misc, it runs others of its kind.
 */
export function exitProgram(architecture: string): Uint8Array | undefined {
  const machine = machines[architecture]
  return machine && elf(machine)
}

/** What the program's exit code is. */
export const exitProgramCode = 42

interface Machine {
  /** e_machine */
  readonly number: number
  readonly bits: 32 | 64
  readonly big?: true
  /** e_flags: the ABI, where that has versions */
  readonly flags?: number
  /** its instructions, in the order of memory */
  readonly code: string
}

/** exit(42) in the words of each; by the architecture's name in OCI. */
const machines: Readonly<Record<string, Machine>> = {
  // mov edi, 42; mov eax, 60; syscall
  amd64: { number: 62, bits: 64, code: 'bf2a000000b83c0000000f05' },
  // mov ebx, 42; mov eax, 1; int 0x80
  '386': { number: 3, bits: 32, code: 'bb2a000000b801000000cd80' },
  // mov x0, #42; mov x8, #93; svc #0
  arm64: { number: 183, bits: 64, code: '400580d2a80b80d2010000d4' },
  // mov r0, #42; mov r7, #1; svc 0 (EABI 5)
  arm: { number: 40, bits: 32, flags: 0x05000000, code: '2a00a0e30170a0e3000000ef' },
  // li a0, 42; li a7, 93; ecall
  riscv64: { number: 243, bits: 64, code: '1305a0029308d00573000000' },
  // li r0, 1; li r3, 42; sc (ELFv2)
  ppc64le: { number: 21, bits: 64, flags: 2, code: '010000382a00603802000044' },
  // lghi %r2, 42; svc 1
  s390x: { number: 22, bits: 64, big: true, code: 'a729002a0a01' },
}

const base = 0x10000

/** One loadable segment that is the whole file. */
function elf({ number, bits, big, flags = 0, code }: Machine): Uint8Array {
  const wide = bits === 64
  const [headerSize, segmentSize] = wide ? [64, 56] : [52, 32]
  const start = headerSize + segmentSize
  const body = Buffer.from(code, 'hex')
  const size = start + body.length
  const file = Buffer.alloc(size)
  let at = 0
  const put = (bytes: number, value: number): void => {
    if (bytes === 8) {
      if (big) file.writeBigUInt64BE(BigInt(value), at)
      else file.writeBigUInt64LE(BigInt(value), at)
    } else if (big) file.writeUIntBE(value, at, bytes)
    else file.writeUIntLE(value, at, bytes)
    at += bytes
  }
  const word = wide ? 8 : 4
  file.set([0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, big ? 2 : 1, 1])
  at = 16
  put(2, 2)
  put(2, number)
  put(4, 1)
  put(word, base + start)
  put(word, headerSize)
  put(word, 0)
  put(4, flags)
  for (const half of [headerSize, segmentSize, 1, 0, 0, 0]) put(2, half)
  // PT_LOAD; its flags (read, execute) stand elsewhere in the 32-bit form
  put(4, 1)
  if (wide) put(4, 5)
  for (const value of [0, base, base, size, size]) put(word, value)
  if (!wide) put(4, 5)
  put(word, 0x1000)
  file.set(body, start)
  return file
}
