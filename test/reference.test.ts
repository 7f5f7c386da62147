import { describe, expect, test } from 'vitest'
import { isPlinthError } from '../src/errors.ts'
import { familiarName, parseImageName, parseReference, referenceParts } from '../src/reference.ts'

const digest = `sha256:${'ab'.repeat(32)}`

describe('parseReference()', () => {
  const valid: { text: string; full: string; familiar: string }[] = [
    { text: 'debian', full: 'docker.io/library/debian:latest', familiar: 'debian:latest' },
    { text: 'debian:trixie', full: 'docker.io/library/debian:trixie', familiar: 'debian:trixie' },
    {
      text: 'docker.io/debian',
      full: 'docker.io/library/debian:latest',
      familiar: 'debian:latest',
    },
    {
      text: 'index.docker.io/library/debian',
      full: 'docker.io/library/debian:latest',
      familiar: 'debian:latest',
    },
    { text: 'me/base:1.0', full: 'docker.io/me/base:1.0', familiar: 'me/base:1.0' },
    { text: 'library/a/b', full: 'docker.io/library/a/b:latest', familiar: 'library/a/b:latest' },
    { text: 'localhost/base', full: 'localhost/base:latest', familiar: 'localhost/base:latest' },
    {
      text: 'localhost:5000/base',
      full: 'localhost:5000/base:latest',
      familiar: 'localhost:5000/base:latest',
    },
    {
      text: 'ghcr.io/a/b__c.d-e---f:T.1_',
      full: 'ghcr.io/a/b__c.d-e---f:T.1_',
      familiar: 'ghcr.io/a/b__c.d-e---f:T.1_',
    },
    { text: '[::1]:5000/x', full: '[::1]:5000/x:latest', familiar: '[::1]:5000/x:latest' },
    {
      text: `debian@${digest}`,
      full: `docker.io/library/debian@${digest}`,
      familiar: `debian@${digest}`,
    },
    { text: `a/b:t@${digest}`, full: `docker.io/a/b:t@${digest}`, familiar: `a/b:t@${digest}` },
    // upper case makes a host of the first component, as Docker has it
    { text: 'MyHost/base', full: 'MyHost/base:latest', familiar: 'MyHost/base:latest' },
    // shortened, it would read as the host foo.bar
    {
      text: 'docker.io/foo.bar/x',
      full: 'docker.io/foo.bar/x:latest',
      familiar: 'docker.io/foo.bar/x:latest',
    },
    {
      text: 'docker.io/localhost/x',
      full: 'docker.io/localhost/x:latest',
      familiar: 'docker.io/localhost/x:latest',
    },
  ]
  test.each(valid)('completes $text', ({ text, full, familiar }) => {
    const reference = parseReference(text)
    expect(reference).toBe(full)
    expect(familiarName(reference)).toBe(familiar)
    expect(parseReference(familiar)).toBe(reference)
    expect(parseReference(reference)).toBe(reference)
  })

  const invalid: { text: string; hint?: RegExp }[] = [
    { text: '' },
    { text: 'Debian', hint: /write debian$/ },
    { text: 'ghcr.io/Me/Base:T', hint: /ghcr\.io\/me\/base:T$/ },
    { text: 'a//b' },
    { text: '/a' },
    { text: 'a/' },
    { text: 'a:' },
    { text: 'a: b' },
    { text: 'a b' },
    { text: '-a' },
    { text: 'a-' },
    { text: 'a..b' },
    { text: 'a___b' },
    { text: 'a:.b' },
    { text: `a:${'x'.repeat(129)}` },
    { text: 'x'.repeat(250) },
    { text: 'a@sha256:12' },
    { text: `a@sha256:${'AB'.repeat(32)}` },
    { text: `a@sha512:${'ab'.repeat(64)}` },
    { text: 'a@' },
    { text: 'ab'.repeat(32), hint: /@sha256/ },
    { text: 'ghcr.io:x/a' },
    { text: '-ghcr.io/a' },
    { text: 'https://ghcr.io/a' },
    { text: 'a\n' },
    { text: '../a' },
  ]
  test.each(invalid)('refuses $text', ({ text, hint = /./ }) => {
    expect(() => parseReference(text)).toThrow(
      expect.objectContaining({ code: 'REFERENCE_INVALID', hint: expect.stringMatching(hint) }),
    )
  })
})

test('referenceParts() takes a reference apart', () => {
  expect(referenceParts(parseReference(`localhost:5000/a/b:t@${digest}`))).toEqual({
    domain: 'localhost:5000',
    path: 'a/b',
    tag: 't',
    digest,
  })
  expect(referenceParts(parseReference('debian'))).toEqual({
    domain: 'docker.io',
    path: 'library/debian',
    tag: 'latest',
    digest: undefined,
  })
})

test('parseImageName() refuses a digest', () => {
  expect(parseImageName('a:1')).toBe('docker.io/library/a:1')
  expect(() => parseImageName(`a@${digest}`)).toThrow(
    expect.toSatisfy((e: unknown) => isPlinthError(e, 'REFERENCE_INVALID')),
  )
})
