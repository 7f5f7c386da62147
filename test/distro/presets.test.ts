import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { readKeys } from 'openpgp'
import { describe, expect, test } from 'vitest'
import {
  debianKeyring,
  debianSources,
  ubuntuKeyring,
  ubuntuSources,
} from '../../src/distro/deb/presets.ts'
import { renderSources } from '../../src/deb/sources.ts'

const suitesOf = async (
  preset: typeof debianSources,
  suite: string,
  architecture = 'amd64',
  more = {},
) =>
  (await preset({ suite, architecture, ...more })).map(({ uris, suites }) => [...uris, ...suites])

describe('debianSources()', () => {
  test.each(['bookworm', 'trixie', 'forky', 'stable', 'testing'])(
    '%s comes with updates and security',
    async (suite) => {
      const [main, security] = await suitesOf(debianSources, suite)
      expect(main?.slice(1)).toEqual([suite, `${suite}-updates`])
      expect(security?.slice(1)).toEqual([`${suite}-security`])
    },
  )

  test.each(['sid', 'unstable', 'experimental', 'trixie-backports'])(
    '%s stands alone',
    async (suite) => {
      expect((await suitesOf(debianSources, suite)).map((source) => source.slice(1))).toEqual([
        [suite],
      ])
    },
  )

  test('another mirror replaces the main one; security stays', async () => {
    const [main, security] = await suitesOf(debianSources, 'trixie', 'amd64', {
      mirrors: ['http://m.example/debian/'],
    })
    expect(main?.[0]).toBe('http://m.example/debian')
    expect(security?.[0]).not.toContain('m.example')
  })

  test('reads as a sources file for apt', async () => {
    const text = renderSources(
      await debianSources({
        suite: 'trixie',
        architecture: 'amd64',
        mirrors: ['http://m.example/debian'],
        security: false,
      }),
    )
    expect(text).toBe(
      'Types: deb\nURIs: http://m.example/debian\nSuites: trixie trixie-updates\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n',
    )
  })
})

describe('ubuntuSources()', () => {
  test('ports have a mirror of their own, for security too', async () => {
    const amd64 = await suitesOf(ubuntuSources, 'noble')
    const arm64 = await suitesOf(ubuntuSources, 'noble', 'arm64')
    expect(amd64.map((source) => source.slice(1))).toEqual([
      ['noble', 'noble-updates'],
      ['noble-security'],
    ])
    expect(arm64.map((source) => source.slice(1))).toEqual([
      ['noble', 'noble-updates'],
      ['noble-security'],
    ])
    expect(new Set(arm64.map(([uri]) => uri)).size).toBe(1)
    expect(amd64[0]?.[0]).not.toBe(arm64[0]?.[0])
  })
})

const fingerprints = async (
  keyring: Awaited<ReturnType<typeof debianKeyring>>,
): Promise<string[]> => {
  const keys = await readKeys({
    armoredKeys: Buffer.from(keyring.keys[0] as Uint8Array).toString(),
  })
  return keys.map((key) => key.getFingerprint().toUpperCase()).toSorted()
}

describe('bundled keys', () => {
  test("are Debian's for bullseye, bookworm and trixie", async () => {
    expect(await fingerprints(await debianKeyring())).toEqual([
      '04B54C3CDCA79751B16BC6B5225629DF75B188BD',
      '05AB90340C0C5E797F44A8C8254CF3B5AEC0A8F0',
      '1F89983E0081FDE018F3CC9673A4F27B8DD47936',
      '41587F7DB8C774BCCF131416762F67A0B2C39DE4',
      '4D64FEC119C2029067D6E791F8D2585B8783D481',
      '5E04A1E3223A19A20706E20F9904613D4CCE68C6',
      'A4285295FC7B1A81600062A9605C66F00D6C9793',
      'AC530D520F2F3269F5E98313A48449044AAD5C5D',
      'B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8',
    ])
  })

  test("is Ubuntu's of 2018", async () => {
    expect(await fingerprints(await ubuntuKeyring())).toEqual([
      'F6ECB3762474EDA9D21B7022871920D1991BC93C',
    ])
  })

  test('are part of the published package', () => {
    const root = fileURLToPath(new URL('../../', import.meta.url))
    const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const [{ files }] = JSON.parse(output) as [{ files: { path: string }[] }]
    const paths = files.map(({ path }) => path)
    expect(paths).toContain('recipes/keys/debian-archive.asc')
    expect(paths).toContain('recipes/keys/ubuntu-archive.asc')
  })
})
