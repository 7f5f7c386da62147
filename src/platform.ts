import { PlinthError } from './errors.ts'

/** `os/architecture[/variant]` in OCI terms, normalised: `linux/amd64`, `linux/arm/v7`. */
export type Platform = string & { readonly __brand: 'Platform' }

/** Debian architecture → OCI platform (facts: containerd/platforms and dpkg's cputable). */
const debianArchitectures = {
  amd64: 'linux/amd64',
  arm64: 'linux/arm64',
  armhf: 'linux/arm/v7',
  armel: 'linux/arm/v5',
  i386: 'linux/386',
  ppc64el: 'linux/ppc64le',
  s390x: 'linux/s390x',
  riscv64: 'linux/riscv64',
  mips64el: 'linux/mips64le',
  loong64: 'linux/loong64',
} as const

/** Alpine architecture → OCI platform. */
const alpineArchitectures = {
  x86_64: 'linux/amd64',
  aarch64: 'linux/arm64',
  armv7: 'linux/arm/v7',
  armhf: 'linux/arm/v6',
  x86: 'linux/386',
  ppc64le: 'linux/ppc64le',
  s390x: 'linux/s390x',
  riscv64: 'linux/riscv64',
  loongarch64: 'linux/loong64',
} as const

/** Parses and normalises a platform. Throws `PLATFORM_INVALID`. */
export function parsePlatform(text: string): Platform {
  const aliases: Record<string, string> = {
    x86_64: 'amd64',
    'amd64/v1': 'amd64',
    aarch64: 'arm64',
    'arm64/v8': 'arm64',
    i386: '386',
    armhf: 'arm/v7',
    armel: 'arm/v6',
    arm: 'arm/v7',
  }
  const match = /^(?:linux\/)?([a-z0-9_]+(?:\/v[0-9]+)?)$/.exec(text.toLowerCase())
  if (!match?.[1]) {
    throw new PlinthError('PLATFORM_INVALID', `'${text}' is not a platform`, {
      hint: 'write os/architecture, for example linux/amd64 or linux/arm64',
    })
  }
  return `linux/${aliases[match[1]] ?? match[1]}` as Platform
}

/** The Debian architecture of a platform. Throws `PLATFORM_INVALID` when Debian has none. */
export function debianArchitecture(platform: Platform): string {
  return architectureOf(platform, 'Debian', debianArchitectures)
}

/** The architecture of a platform as apk calls it. Throws `PLATFORM_INVALID` when Alpine has none. */
export function alpineArchitecture(platform: Platform): string {
  return architectureOf(platform, 'Alpine', alpineArchitectures)
}

function architectureOf(
  platform: Platform,
  distribution: string,
  architectures: Readonly<Record<string, string>>,
): string {
  for (const [architecture, oci] of Object.entries(architectures))
    if (oci === platform) return architecture
  throw new PlinthError('PLATFORM_INVALID', `${distribution} has no architecture for ${platform}`, {
    hint: `known: ${Object.values(architectures).join(', ')}`,
  })
}

/** The platform of a machine, from Node's `process.arch`. */
export function platformOfArch(arch: string): Platform {
  const known: Record<string, string> = { x64: 'amd64', ia32: '386', arm: 'arm', ppc64: 'ppc64le' }
  return parsePlatform(`linux/${known[arch] ?? arch}`)
}
